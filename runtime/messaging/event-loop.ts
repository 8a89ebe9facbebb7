/**
 * Progress for a rank that lives in the event loop. While operations are under way the loop polls for a
 * bounded time, then arms the transport's doorbell and sleeps in libuv.
 *
 * | state    | when                                  | immediate | doorbell | watcher                         |
 * | -------- | ------------------------------------- | --------- | -------- | ------------------------------- |
 * | idle     | nothing is under way                  | none      | silent   | not referenced                  |
 * | polling  | the next turn looks for messages      | one       | silent   | not referenced                  |
 * | sleeping | a look after arming has found nothing | none      | armed    | referenced while somebody waits |
 * | closed   | after MPI.finalize()                  | one rests | closed   | closed                          |
 *
 * | from     | to       | by                                                                           |
 * | -------- | -------- | ---------------------------------------------------------------------------- |
 * | idle     | polling  | an operation begins (`track`)                                                |
 * | polling  | polling  | a turn that found something, or may go on; one that threw                    |
 * | polling  | idle     | a turn after which nothing is under way                                      |
 * | polling  | sleeping | a turn that may not go on, and a last look with the doorbell armed           |
 * | sleeping | polling  | the doorbell; `track`, `hold`, `wake`                                        |
 * | any      | closed   | `close`                                                                      |
 *
 * The immediate is always referenced: libuv lets one that is not wait for a timer or a socket, and the
 * doorbell would be silent meanwhile. It cannot keep a process alive for ever, since it is bounded; what can
 * is the watcher, and {@link EventLoopProgress.#reference} alone decides about it.
 */
import type { Transport } from '../../transports/transport.ts';
import { now, setImmediate } from '../base/clock.ts';
import { type Awaited, LoopWatch } from './deadlock/loop-watch.ts';
import type { Standstill } from './deadlock/standstill.ts';

/** Polls of an awaited operation before it is left to the event loop. */
export const AWAIT_POLLS = 200;
/** Operations that may complete without the event loop's turn; then timers and sockets get one. */
export const AWAIT_BURST = 256;
/** Bytes that they may have: some milliseconds of copying. */
export const AWAIT_BURST_BYTES = 64 * 1024 * 1024;
/** Turns of the event loop that find nothing before the rank sleeps in it. */
export const IDLE_TURNS = 200;
/** As many where it was woken and nothing had come, where it does not spin, and where nobody waits. */
export const FALSE_ALARM_TURNS = 2;

/** What the event loop drives: the engine. */
export interface Progress {
  /** Takes what has arrived, and sends what there is room for; how many packets came. */
  progress(): number;
  /** From now on whatever comes rings the doorbell. */
  arm(how: 'loop'): void;
  /** Ends what waits for ranks that have left; how many packets came in the meantime. */
  readonly failures: { checkPeers(): number };
  readonly standstill: Standstill | null;
}

type State = 'idle' | 'polling' | 'sleeping' | 'closed';

export class EventLoopProgress {
  readonly #engine: Progress;
  readonly #transport: Pick<Transport, 'watch' | 'disarm'>;
  readonly #spin: boolean;
  readonly #spinMs: number;
  #state: State = 'idle';
  #watcher: { ref(): void; unref(): void; close(): void } | null = null;
  #referenced = false;
  /** Operations under way: they make progress whenever there is some to make. */
  #tracked = 0;
  /** Those that somebody awaits: they keep the process alive. */
  readonly #held = new Set<Awaited>();
  /** Looks, while the rank sleeps, whether it can ever go on; from the first time that it sleeps. */
  #watch: LoopWatch | null = null;
  /** Turns in a row that found nothing, how many there may be, and until when. */
  #idleTurns = 0;
  #turnsMost = IDLE_TURNS;
  #idleUntil = 0;
  /** Since the last turn: operations awaited, and their bytes. */
  #burst = 0;
  #burstBytes = 0;

  /** @param spinMs how long turns that find nothing may go on, in milliseconds; 0: two of them */
  constructor(engine: Progress, transport: Pick<Transport, 'watch' | 'disarm'>, spinMs: number) {
    this.#engine = engine;
    this.#transport = transport;
    this.#spin = spinMs > 0;
    this.#spinMs = spinMs;
  }

  /** Polls for an operation's end, unless the event loop has waited for its turn long enough. */
  poll(operation: { readonly done: boolean; readonly length: number }): void {
    this.#burstBytes += operation.length;
    if (++this.#burst >= AWAIT_BURST || this.#burstBytes > AWAIT_BURST_BYTES) {
      this.#endBurst();
      return;
    }
    const polls = this.#spin ? AWAIT_POLLS : 1;
    for (let i = 0; i < polls && !operation.done; i++) this.#engine.progress();
  }

  #endBurst(): void {
    this.#burst = 0;
    this.#burstBytes = 0;
  }

  /** An operation began that goes on while the event loop turns. */
  track(): void {
    this.#tracked++;
    if (this.#state !== 'polling') this.#begin();
  }

  #begin(): void {
    if (this.#state === 'sleeping') this.#engine.standstill?.moved();
    this.#poll(IDLE_TURNS);
  }

  untrack(): void {
    this.#tracked--;
  }

  /** Somebody awaits an operation that others may end. */
  hold(operation: Awaited): void {
    this.#held.add(operation);
    if (this.#held.size === 1) this.#idleTurns = 0;
    // The last wait may have ended without a packet, by what there was room for.
    this.#engine.standstill?.moved();
    this.wake();
  }

  release(operation: Awaited): void {
    this.#held.delete(operation);
    this.#reference();
  }

  /** A blocking call has used the doorbell, or what needs no doorbell may have become possible. */
  wake(): void {
    if (this.#state === 'sleeping') this.#poll(IDLE_TURNS);
  }

  close(): void {
    this.#state = 'closed';
    this.#watcher?.close();
    this.#watcher = null;
    this.#watch?.close();
    this.#watch = null;
  }

  #poll(turnsMost: number): void {
    const slept = this.#state === 'sleeping';
    this.#idleTurns = 0;
    this.#turnsMost = turnsMost;
    this.#enter('polling');
    if (slept) this.#transport.disarm();
  }

  #enter(state: State): void {
    if (this.#state === 'closed') return;
    this.#state = state;
    this.#reference();
    if (state === 'polling') setImmediate(this.#turn);
  }

  /** The doorbell keeps the process alive while somebody awaits what it may announce. */
  #reference(): void {
    const wanted = this.#state === 'sleeping' && this.#held.size > 0;
    if (this.#watcher === null || wanted === this.#referenced) return;
    this.#referenced = wanted;
    if (wanted) this.#watcher.ref();
    else this.#watcher.unref();
  }

  readonly #turn = (): void => {
    if (this.#state !== 'polling') return;
    this.#endBurst();
    // What throws is for the process to hear of; the operations under way go on.
    let next: State = 'polling';
    try {
      next = this.#look();
    } finally {
      this.#enter(next);
    }
  };

  #look(): State {
    let count = 0;
    const polls = this.#spin ? AWAIT_POLLS : 1;
    for (let i = 0; i < polls && count === 0; i++) count = this.#engine.progress();
    if (count > 0) this.#found();
    if (this.#tracked === 0) return 'idle';
    return count > 0 || this.#mayTurn() ? 'polling' : this.#fallAsleep();
  }

  #found(): void {
    const told = this.#engine.standstill?.moved();
    if (told) this.#watch?.giveUp(told);
    this.#idleTurns = 0;
    this.#turnsMost = IDLE_TURNS;
  }

  /** Whether it may go on after a turn that found nothing. */
  #mayTurn(): boolean {
    this.#idleTurns++;
    if (!this.#spin || this.#held.size === 0) return this.#idleTurns < FALSE_ALARM_TURNS;
    const time = now();
    if (this.#idleTurns === 1) this.#idleUntil = time + this.#spinMs;
    return this.#idleTurns < this.#turnsMost && time < this.#idleUntil;
  }

  #fallAsleep(): State {
    this.#watcher ??= this.#watchDoorbell();
    this.#idleTurns = 0;
    this.#engine.arm('loop');
    // Whoever sent or left before the doorbell was armed rings no doorbell.
    // What ends here with a rank that has left may set something going: progress comes last.
    const quiet = this.#engine.failures.checkPeers() === 0 && this.#engine.progress() === 0;
    if (quiet && this.#tracked > 0) {
      this.#watchSleep();
      return 'sleeping';
    }
    this.#transport.disarm();
    return 'polling';
  }

  #watchDoorbell(): { ref(): void; unref(): void; close(): void } {
    const watcher = this.#transport.watch(() => this.#onDoorbell());
    // A watcher begins referenced.
    watcher.unref();
    return watcher;
  }

  #onDoorbell(): void {
    if (this.#state !== 'sleeping') return;
    // The transport may have woken for something of its own: a heartbeat, the end of a send.
    this.#poll(FALSE_ALARM_TURNS);
    if (this.#engine.progress() > 0) this.#found();
    this.#engine.failures.checkPeers();
    this.#watch?.look();
  }

  #watchSleep(): void {
    const { standstill } = this.#engine;
    if (this.#held.size === 0) return;
    this.#watch ??= new LoopWatch(standstill, this.#held, () => this.#state === 'sleeping');
    this.#watch.sleeps();
  }
}
