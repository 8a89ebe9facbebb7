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
  /** As of what a rank blocks for. */
  readonly asksAfterMs?: number;
  stalled?(): void;
}

export class LoopWatch {
  /** Null: there is nobody whose waits can be read. */
  readonly #standstill: Standstill | null;
  readonly #awaited: ReadonlySet<Awaited>;
  readonly #isAsleep: () => boolean;
  /** A timerfd: a timer of Node's could not be told from the program's. */
  readonly #timer: number;
  readonly #watcher: Watcher | null;
  /** What it is set to; Infinity: it is not. */
  #setMs = Number.POSITIVE_INFINITY;
  /** Whether the program could go on by itself when that was last published. */
  #mayGoOn = false;

  constructor(
    standstill: Standstill | null,
    awaited: ReadonlySet<Awaited>,
    isAsleep: () => boolean,
  ) {
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
    this.#standstill?.sleeps();
    this.#setTimer();
  }

  #setTimer(): void {
    if (this.#watcher === null) return;
    let look = this.#standstill?.lookMs ?? Number.POSITIVE_INFINITY;
    for (const one of this.#awaited) look = Math.min(look, asksAfter(one));
    if (look >= this.#setMs) return;
    if (wakeAddon().timerSet(this.#timer, look) === 0) this.#setMs = look;
  }

  #tick(): void {
    this.#setMs = Number.POSITIVE_INFINITY;
    if (!this.#isAsleep() || this.#awaited.size === 0) return;
    if (this.#ask() || this.#standstill === null) {
      if (this.#isAsleep()) this.#setTimer();
      return;
    }
    const mayGoOn = !loopIsIdle();
    if (mayGoOn !== this.#mayGoOn) this.#standstill.republish();
    this.#mayGoOn = mayGoOn;
    const error = this.#standstill.slept(() => this.#describe());
    if (error !== null) this.giveUp(error);
    if (!this.#isAsleep()) return;
    this.#standstill.sleeps();
    this.#setTimer();
  }

  /** Whether any of them had something to ask. */
  #ask(): boolean {
    const asking = [...this.#awaited].filter((one) => asksAfter(one) < Number.POSITIVE_INFINITY);
    for (const one of asking) one.stalled?.();
    return asking.length > 0;
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
    const error = this.#standstill?.verdict() ?? null;
    if (error !== null) this.giveUp(error);
  }

  /** Nobody can end what is awaited: whoever awaits it is told. */
  giveUp(error: MpiError): void {
    this.#standstill?.moved();
    for (const operation of [...this.#awaited]) operation.giveUp(error);
  }

  close(): void {
    this.#watcher?.close();
    if (this.#timer >= 0) addon().closeFd(this.#timer);
  }
}

function asksAfter({ asksAfterMs = Number.POSITIVE_INFINITY }: Awaited): number {
  return asksAfterMs;
}
