/** Persistent collective operations (MPI 4.1, 6.13): arguments, views and algorithm are settled once, when one is made. */
import { isBytes, lengthOf } from '../../base/bytes.ts';
import { MpiError } from '../../base/error.ts';
import { FAILED, PENDING } from '../../messaging/operation.ts';
import { type Payload, sizeOf } from '../datatype/data.ts';
import { Startable } from '../point-to-point/persistent.ts';
import type { StartedRequest } from '../point-to-point/started-request.ts';
import type { Call } from './call.ts';
import type { Calls } from './calls.ts';
import { CallsOnLines } from './lines/calls-on-lines.ts';
import type { LineBook, RepeatedCall } from './lines/repeated.ts';
import type { Prepared } from './prepared.ts';
import { runSync, ScheduledRequest } from './schedule.ts';
import type { LineCall } from './select.ts';
import { callInWords } from './signature.ts';

export class PersistentCollective<R> extends Startable<R> {
  readonly #calls: Calls;
  readonly #prepared: Prepared<R>;
  readonly #call: Call;
  readonly #lengths: readonly number[];
  /** Where the ranks have memory in common. */
  readonly #onLines: CallsOnLines | null;
  /** The same object for each round; null where each needs its own. */
  readonly #repeated: RepeatedCall<R> | null;
  /** Of each round by messages; null before the first one. */
  #byMessages: ScheduledRequest<R> | null = null;
  /** Of the last round that was started. */
  #request: StartedRequest<R> | null = null;
  #freed = false;

  /** @throws MpiError ERR_FINALIZED, ERR_CLOSED, ERR_NO_MEM */
  constructor(calls: Calls, prepared: Prepared<R>) {
    super();
    this.#calls = calls;
    this.#prepared = prepared;
    this.#call = calls.make(prepared);
    this.#lengths = prepared.memory.map(sizeOf);
    const lines = calls.linesOf(this.#call, prepared.line);
    this.#onLines = lines === null ? null : new CallsOnLines(this.#book(), lines);
    this.#repeated = this.#onLines?.repeatable(prepared) ?? null;
  }

  /** All rounds are one call: each ends before the next begins. */
  #book(): LineBook {
    const call = this.#call;
    const calls = this.#calls;
    return {
      endpoint: calls.endpoint,
      count: () => call.number,
      before: () => 0,
      callOf: () => call,
      enter: (running) => calls.enter(running),
      failed: (failed, error) => calls.failed(failed, error),
    };
  }

  get active(): boolean {
    return this.#request !== null && !this.#request.told;
  }

  start(): StartedRequest<R> {
    this.#check();
    this.#request = this.#start();
    return this.#request;
  }

  #start(): StartedRequest<R> {
    const { number } = this.#call;
    const line = this.#prepared.line as LineCall<R>;
    try {
      if (this.#repeated !== null && !this.#repeated.refused) return this.#repeated.start();
      if (this.#onLines !== null && !this.#onLines.lines.refused) {
        const operation = line.make(this.#onLines.lines);
        return this.#onLines.start(this.#prepared, operation, number);
      }
    } catch (error) {
      return ScheduledRequest.of<R>(this.#calls.endpoint, () => {
        throw error;
      });
    }
    return this.#startMessages();
  }

  #startMessages(): StartedRequest<R> {
    this.#byMessages ??= new ScheduledRequest<R>(this.#calls.endpoint);
    const call = this.#call;
    this.#byMessages.begin(() => ({ schedule: this.#prepared.schedule(call.tag), call }));
    return this.#byMessages;
  }

  async run(): Promise<R> {
    return this.start();
  }

  runSync(): R {
    this.#check();
    if (this.#repeated !== null && !this.#repeated.refused) return this.#repeated.run();
    if (this.#onLines !== null && !this.#onLines.lines.refused) {
      const operation = (this.#prepared.line as LineCall<R>).make(this.#onLines.lines);
      return this.#onLines.run(this.#prepared, operation, this.#call.number);
    }
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
    const { memory } = this.#prepared;
    for (let i = 0; i < memory.length; i++)
      if (!isWhole(memory[i], this.#lengths[i]))
        throw this.#error(
          'ERR_BUFFER',
          'has a buffer that was detached or shrunk since it was made',
        );
  }

  #error(code: 'ERR_CLOSED' | 'ERR_REQUEST' | 'ERR_BUFFER', what: string): MpiError {
    const { signature } = this.#call;
    return new MpiError(code, `the persistent ${callInWords(signature)} ${what}`);
  }

  [Symbol.dispose](): void {
    if (this.#freed) return;
    this.#freed = true;
    this.#calls.free(this.#call, this.#onLines?.lines ?? null);
  }
}

const NEVER = { state: FAILED, told: true };

function isWhole(memory: Payload, length: number): boolean {
  return isBytes(memory) ? lengthOf(memory) >= length : memory.intact;
}
