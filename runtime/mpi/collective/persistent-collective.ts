/** Persistent collective operations (MPI 4.1, 6.13): arguments, views and algorithm are settled once, when one is made. */
import { isBytes, lengthOf } from '../../base/bytes.ts';
import { MpiError } from '../../base/error.ts';
import { FAILED, PENDING } from '../../messaging/operation.ts';
import { type Payload, sizeOf } from '../datatype/data.ts';
import { Startable } from '../point-to-point/persistent.ts';
import type { StartedRequest } from '../point-to-point/started-request.ts';
import type { Call } from './call.ts';
import type { Calls } from './calls.ts';
import type { Prepared } from './prepared.ts';
import { runSync, ScheduledRequest } from './schedule.ts';
import { callInWords } from './signature.ts';

export class PersistentCollective<R> extends Startable<R> {
  readonly #calls: Calls;
  readonly #prepared: Prepared<R>;
  readonly #call: Call;
  readonly #lengths: readonly number[];
  /** Of each round that was started; null before the first one. */
  #request: ScheduledRequest<R> | null = null;
  #freed = false;

  /** @throws MpiError ERR_FINALIZED, ERR_CLOSED, ERR_NO_MEM */
  constructor(calls: Calls, prepared: Prepared<R>) {
    super();
    this.#calls = calls;
    this.#prepared = prepared;
    this.#call = calls.make(prepared);
    this.#lengths = prepared.memory.map(sizeOf);
  }

  get active(): boolean {
    return this.#request !== null && !this.#request.told;
  }

  start(): StartedRequest<R> {
    this.#check();
    this.#request ??= new ScheduledRequest<R>(this.#calls.endpoint);
    const call = this.#call;
    this.#request.begin(() => ({ schedule: this.#prepared.schedule(call.tag), call }));
    return this.#request;
  }

  async run(): Promise<R> {
    return this.start();
  }

  runSync(): R {
    this.#check();
    return runSync(this.#prepared.schedule(this.#call.tag), this.#call);
  }

  #check(): void {
    this.#calls.endpoint.checkAlive();
    if (this.#freed) throw this.#error('ERR_CLOSED', 'was started after it was freed');
    const { state, told } = this.#request ?? NEVER;
    if (state === PENDING)
      throw this.#error(
        'ERR_REQUEST',
        'was started while its last round is under way: wait for it first',
      );
    if (state === FAILED && !told)
      throw this.#error(
        'ERR_REQUEST',
        'was started again, and the error of its last round was not looked at: wait for it',
      );
    if (!this.#prepared.memory.every((memory, i) => isWhole(memory, this.#lengths[i])))
      throw this.#error('ERR_BUFFER', 'has a buffer that was detached or shrunk since it was made');
  }

  #error(code: 'ERR_CLOSED' | 'ERR_REQUEST' | 'ERR_BUFFER', what: string): MpiError {
    const { signature } = this.#call;
    return new MpiError(code, `the persistent ${callInWords(signature)} ${what}`);
  }

  [Symbol.dispose](): void {
    if (this.#freed) return;
    this.#freed = true;
    this.#calls.free(this.#call);
  }
}

const NEVER = { state: FAILED, told: true };

function isWhole(memory: Payload, length: number): boolean {
  return isBytes(memory) ? lengthOf(memory) >= length : memory.intact;
}
