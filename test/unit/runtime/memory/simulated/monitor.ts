/** A simulated monitor, as prompt or as late as a real one can be. */
import type { Monitor } from '../../../../../runtime/memory/monitor.ts';
import type { AddressSpace } from './space.ts';

/**
 * - 'prompt': flags are set before the changing call returns, as by dreg.
 * - 'busy': the event has been taken, its flags are set later; the busy word says so.
 * - 'pending': the event waits unread; only the fence knows of it, as with userfaultfd and a second
 *   thread.
 * - 'unfenced': the same, and the fence does nothing. Wrong, to prove that tests notice.
 * - 'naive': nothing is ever told. Wrong.
 */
export type Promptness = 'prompt' | 'busy' | 'pending' | 'unfenced' | 'naive';

const DELTA = 0;
const BUSY = 1;

interface Watched {
  start: number;
  end: number;
  fired: boolean;
}

export interface SimulatedMonitorOptions {
  slots?: number;
  promptness?: Promptness;
  fenceAlways?: boolean;
  /** `user_delta` to begin with. */
  delta?: number;
  /** False: as the monitor 'none'. */
  caches?: boolean;
}

export class SimulatedMonitor implements Monitor {
  readonly name = 'simulated';
  readonly caches: boolean;
  readonly slots: number;
  readonly header = new Int32Array(2);
  readonly deltaIndex = DELTA;
  readonly busyIndex = BUSY;
  readonly flags: Uint8Array;
  readonly ring: Uint32Array;
  readonly wakeFd = -1;
  readonly fenceAlways: boolean;
  /** What happens to the next calls of `monitor`: each number is answered once. */
  readonly failures: number[] = [];
  /** The same for slots that are given up, alone or in a batch. */
  readonly unmonitorFailures: number[] = [];
  /** Called inside `monitor`, after the range is watched. */
  onMonitor: (() => void) | undefined;
  promptness: Promptness;
  closed = false;
  fences = 0;
  readonly #space: AddressSpace;
  readonly #watched: (Watched | undefined)[];
  readonly #pending: [number, number, number][] = [];
  readonly #reasons: number[] = [];
  readonly #listener = (start: number, end: number, reason: number) =>
    this.#changed(start, end, reason);

  constructor(space: AddressSpace, options: SimulatedMonitorOptions = {}) {
    this.#space = space;
    this.slots = options.slots ?? 1024;
    this.caches = options.caches ?? true;
    this.promptness = options.promptness ?? 'prompt';
    this.fenceAlways = options.fenceAlways ?? false;
    this.flags = new Uint8Array(this.slots);
    this.ring = new Uint32Array(this.slots);
    this.#watched = new Array(this.slots).fill(undefined);
    this.header[DELTA] = options.delta ?? 0;
    space.listeners.add(this.#listener);
  }

  /** Slots that are monitored now. */
  get watched(): number {
    return this.#watched.filter((watched) => watched !== undefined).length;
  }

  monitor(slot: number, address: number, length: number): number {
    const failure = this.failures.shift();
    if (failure !== undefined && failure < 0) return failure;
    if (this.#watched[slot] !== undefined) throw new Error(`slot ${slot} is monitored already`);
    this.flags[slot] = 0;
    this.#watched[slot] = { start: address, end: address + length, fired: false };
    this.onMonitor?.();
    return 0;
  }

  unmonitor(slot: number): number {
    const failure = this.unmonitorFailures.shift();
    if (failure !== undefined && failure < 0) return failure;
    const watched = this.#watched[slot];
    if (!watched) throw new Error(`slot ${slot} is not monitored`);
    this.#watched[slot] = undefined;
    return watched.fired ? 1 : 0;
  }

  unmonitorBatch(slots: Uint32Array, count: number, fired: Uint8Array): number {
    for (let i = 0; i < count; i++) {
      const answer = this.unmonitor(slots[i]);
      if (answer < 0) return i > 0 ? i : answer;
      fired[i] = answer;
    }
    return count;
  }

  drain(reasons: Float64Array): void {
    for (const reason of this.#reasons.splice(0)) reasons[reason] += 1;
  }

  fence(): void {
    this.fences += 1;
    if (this.promptness !== 'unfenced') this.step();
  }

  /** The reader catches up. */
  step(): void {
    for (const [start, end, reason] of this.#pending.splice(0)) this.#fire(start, end, reason);
    this.header[BUSY] = 0;
  }

  close(): void {
    this.closed = true;
    this.#space.listeners.delete(this.#listener);
  }

  #changed(start: number, end: number, reason: number): void {
    if (this.promptness === 'naive') return;
    this.#pending.push([start, end, reason]);
    if (this.promptness === 'prompt') this.step();
    if (this.promptness === 'busy') this.header[BUSY] = 1;
  }

  #fire(start: number, end: number, reason: number): void {
    for (let slot = 0; slot < this.slots; slot++) {
      const watched = this.#watched[slot];
      if (!watched || watched.fired || watched.start >= end || watched.end <= start) continue;
      watched.fired = true;
      this.flags[slot] = 1;
      this.ring[this.header[DELTA] & (this.slots - 1)] = slot;
      this.header[DELTA] += 1;
      this.#reasons.push(reason);
    }
  }
}
