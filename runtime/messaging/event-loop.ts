/**
 * Progress for a rank that lives in the event loop. While somebody awaits an operation, the loop
 * polls for a bounded time (setImmediate), then arms the transport's bell and sleeps in libuv.
 */
import type { Transport } from '../../transports/transport.ts';
import { PENDING, type Request } from '../mpi/point-to-point/request.ts';
import type { Engine } from './engine.ts';

/** Polls of an awaited operation before it is left to the event loop. */
export const AWAIT_POLLS = 200;
/** Operations that may complete without the event loop's turn; then timers and sockets get one. */
export const AWAIT_BURST = 256;
/** Turns of the event loop that find nothing before the rank sleeps in it. */
export const IDLE_TURNS = 200;
/** As many where it was woken and nothing had come, or where it does not spin. */
const FALSE_ALARM_TURNS = 2;

type Mode = 'idle' | 'polling' | 'sleeping';

export class EventLoopProgress {
  readonly #engine: Engine;
  readonly #transport: Transport;
  readonly #spin: boolean;
  readonly #spinMs: number;
  #watcher: { ref(): void; unref(): void; close(): void } | null = null;
  #mode: Mode = 'idle';
  /** Nonblocking operations under way: they make progress whenever the event loop turns. */
  #tracked = 0;
  /** Operations that somebody awaits: they keep the process alive. */
  #held = 0;
  /** Turns in a row that found nothing, how many there may be, and until when. */
  #idleTurns = 0;
  #turnsMost = IDLE_TURNS;
  #idleUntil = 0;
  #burst = 0;
  #immediate: NodeJS.Immediate | null = null;

  /** @param spinMs how long turns that find nothing may go on, in milliseconds; 0: two of them */
  constructor(engine: Engine, transport: Transport, spinMs: number) {
    this.#engine = engine;
    this.#transport = transport;
    this.#spin = spinMs > 0;
    this.#spinMs = spinMs;
  }

  /** Polls for a request's end, unless the event loop has waited for its turn long enough. */
  poll(request: Request): void {
    if (++this.#burst >= AWAIT_BURST) {
      this.#burst = 0;
      return;
    }
    const polls = this.#spin ? AWAIT_POLLS : 1;
    for (let i = 0; i < polls && request.state === PENDING; i++) this.#engine.progress();
  }

  /** A nonblocking operation began. */
  track(): void {
    this.#tracked++;
    if (this.#mode === 'idle') this.#start(IDLE_TURNS);
  }

  untrack(): void {
    this.#tracked--;
  }

  /** Somebody awaits an operation. */
  hold(): void {
    this.#held++;
    if (this.#held > 1) return;
    if (this.#mode === 'sleeping') this.#watcher?.ref();
    else if (this.#mode === 'polling') this.#immediate?.ref();
  }

  release(): void {
    this.#held--;
    if (this.#held === 0) this.#watcher?.unref();
  }

  /** A blocking call used the bell in the meantime. */
  rearm(): void {
    if (this.#mode === 'sleeping') this.#start(IDLE_TURNS);
  }

  close(): void {
    this.#watcher?.close();
    this.#watcher = null;
    this.#mode = 'idle';
    this.#tracked = 0;
    this.#held = 0;
  }

  #start(turnsMost: number): void {
    this.#mode = 'polling';
    this.#idleTurns = 0;
    this.#turnsMost = this.#spin ? turnsMost : FALSE_ALARM_TURNS;
    this.#again();
  }

  #again(): void {
    this.#immediate = setImmediate(this.#turn);
    if (this.#held === 0) this.#immediate.unref();
  }

  readonly #turn = (): void => {
    if (this.#mode !== 'polling') return;
    this.#burst = 0;
    let count = 0;
    const polls = this.#spin ? AWAIT_POLLS : 1;
    for (let i = 0; i < polls && count === 0; i++) count = this.#engine.progress();
    if (count > 0) this.#found();
    if (this.#tracked === 0) this.#mode = 'idle';
    else if (count > 0 || this.#mayTurn()) this.#again();
    else this.#sleep();
  };

  #found(): void {
    this.#idleTurns = 0;
    if (this.#spin) this.#turnsMost = IDLE_TURNS;
  }

  /** Whether it may go on after a turn that found nothing. */
  #mayTurn(): boolean {
    const now = performance.now();
    if (this.#idleTurns++ === 0) this.#idleUntil = now + this.#spinMs;
    return this.#idleTurns < this.#turnsMost && (now < this.#idleUntil || !this.#spin);
  }

  #sleep(): void {
    this.#watcher ??= this.#transport.watch(() => this.#onBell());
    this.#idleTurns = 0;
    this.#engine.arm('loop');
    // Whoever sent or left before the bell was armed rings no bell.
    if (
      this.#engine.progress() > 0 ||
      this.#engine.losses.checkPeers() > 0 ||
      this.#tracked === 0
    ) {
      this.#transport.disarm();
      this.#again();
      return;
    }
    this.#mode = 'sleeping';
    if (this.#held > 0) this.#watcher.ref();
    else this.#watcher.unref();
  }

  #onBell(): void {
    if (this.#mode !== 'sleeping') return;
    this.#watcher?.unref();
    const count = this.#engine.progress();
    this.#engine.losses.checkPeers();
    // The transport may have woken for something of its own: a heartbeat, the end of a send.
    this.#start(count > 0 ? IDLE_TURNS : FALSE_ALARM_TURNS);
  }
}
