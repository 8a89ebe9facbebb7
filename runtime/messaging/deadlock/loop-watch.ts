/** Looks, while a rank sleeps in its event loop, whether it can ever go on. */
import { addon, type Watcher } from '../../../native/addon.ts';
import { loopIsIdle } from '../../../native/loop.ts';
import { wakeAddon } from '../../../native/wake.ts';
import type { MpiError } from '../../base/error.ts';
import { type CallSite, callsOf } from './call-site.ts';
import type { Standstill } from './standstill.ts';
import { OPERATIONS_TOLD, type Wait, type WaitedOperation } from './waits.ts';

/** An operation that the program awaits. */
export interface Awaited {
  describe(): WaitedOperation;
  /** Where it is awaited; null where that was not noted. */
  readonly site: CallSite | null;
  /** Nobody will ever end it: whoever awaits it is told. */
  giveUp(error: MpiError): void;
}

export class LoopWatch {
  readonly #standstill: Standstill;
  readonly #awaited: ReadonlySet<Awaited>;
  readonly #isAsleep: () => boolean;
  /** A timerfd: a timer of Node's could not be told from the program's. */
  readonly #timer: number;
  readonly #watcher: Watcher | null;
  #set = false;
  /** Whether the program could go on by itself when that was last published. */
  #mayGoOn = false;

  constructor(standstill: Standstill, awaited: ReadonlySet<Awaited>, isAsleep: () => boolean) {
    this.#standstill = standstill;
    this.#awaited = awaited;
    this.#isAsleep = isAsleep;
    // Without a descriptor to spare nobody looks, and all else goes on.
    this.#timer = wakeAddon().timerCreate();
    this.#watcher =
      this.#timer < 0 ? null : new (addon().Watcher)(this.#timer, true, () => this.#tick());
    this.#watcher?.unref();
  }

  /** The rank goes to sleep: its doorbell is armed, and a look after that has found nothing. */
  sleeps(): void {
    this.#standstill.sleeps();
    this.#setTimer();
  }

  #setTimer(): void {
    if (this.#set || this.#watcher === null) return;
    this.#set = wakeAddon().timerSet(this.#timer, this.#standstill.lookMs) === 0;
  }

  #tick(): void {
    this.#set = false;
    if (!this.#isAsleep() || this.#awaited.size === 0) return;
    const mayGoOn = !loopIsIdle();
    if (mayGoOn !== this.#mayGoOn) this.#standstill.republish();
    this.#mayGoOn = mayGoOn;
    const error = this.#standstill.slept(() => this.#describe());
    if (error !== null) this.giveUp(error);
    if (!this.#isAsleep()) return;
    this.#standstill.sleeps();
    this.#setTimer();
  }

  #describe(): Omit<Wait, 'rank' | 'since'> {
    const operations: WaitedOperation[] = [];
    let stack = '';
    for (const operation of this.#awaited) {
      operations.push(operation.describe());
      if (stack === '' && operation.site !== null) stack = callsOf(operation.site);
      if (operations.length > OPERATIONS_TOLD) break;
    }
    return { mode: 'any', operations, mayGoOn: this.#mayGoOn, stack };
  }

  /** The doorbell has rung: perhaps because a peer has found that this rank can never go on. */
  look(): void {
    const error = this.#standstill.verdict();
    if (error !== null) this.giveUp(error);
  }

  /** Nobody can end what is awaited: whoever awaits it is told. */
  giveUp(error: MpiError): void {
    this.#standstill.moved();
    for (const operation of [...this.#awaited]) operation.giveUp(error);
  }

  close(): void {
    this.#watcher?.close();
    if (this.#timer >= 0) addon().closeFd(this.#timer);
  }
}
