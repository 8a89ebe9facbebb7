/** Uses memory in a random order, from cached registrations, and compares every byte. */
import {
  bytesAt,
  helpers,
  MADV,
  MAP,
  map,
  ok,
  PAGE,
  PROT,
  SYS,
  unmap,
} from '../../tools/native/helpers.ts';
import { Random } from '../../tools/random.ts';
import type { Mover } from './mover.ts';
import { collectGarbage } from './scenarios.ts';

/** Bytes of one operation at most: what a socket holds before anybody reads. */
const OPERATION_BYTES_MAX = 96 * 1024;
/** Bytes of one buffer at most; V8 maps and unmaps such a one by itself. */
const BUFFER_BYTES_MAX = 2 ** 20;
const BUFFERS_MAX = 24;
/** What a thread may pin: less than its buffers have, so that it must evict. */
export const PIN_BYTES = 4 * 2 ** 20;
export const SLOTS = 256;
/** One step of so many is a collection: that costs milliseconds. */
const STEPS_PER_COLLECTION = 400;
/** So many that are wrong are described. */
const SHOWN_MOST = 5;
/** For so long freed memory may stay pinned before that is an error. */
const PATIENCE_MS = 120_000;

export interface Result {
  operations: number;
  wrong: number;
  hits: number;
  misses: number;
  invalidations: number;
  evictions: number;
  renewals: number;
  /** Pinned at most. */
  pinnedMax: number;
  /** Pinned when all memory was given back, beyond what was pinned before there was any. */
  pinned: number;
}

/** A buffer, and for memory that V8 does not know the address it was mapped at. */
interface Owned {
  bytes: Uint8Array;
  address: number | undefined;
}

export class Soaker {
  readonly #random: Random;
  readonly #channel: Mover;
  readonly #owned: Owned[] = [];
  readonly #copy = new Uint8Array(OPERATION_BYTES_MAX);
  /** What the manager keeps pinned for itself: bounce buffers, where a domain has no other last resort. */
  readonly #reserve: number;
  operations = 0;
  wrong = 0;

  constructor(seed: number, channel: Mover) {
    this.#random = new Random(seed);
    this.#channel = channel;
    this.#reserve = channel.manager.stats().bytesPinned;
  }

  step(): void {
    const random = this.#random;
    const dice = random.below(100);
    if (this.#owned.length === 0 || dice < 12) this.#allocate();
    else if (dice < 45) this.#send();
    else if (dice < 75) this.#receive();
    else if (dice < 86) this.#free(random.below(this.#owned.length));
    else if (dice < 97) this.#remap();
    else if (random.below(STEPS_PER_COLLECTION / 3) === 0) collectGarbage();
    this.operations += 1;
  }

  /** Gives everything back; what is pinned after that. */
  async end(): Promise<Result> {
    while (this.#owned.length > 0) this.#free(0);
    const { manager } = this.#channel;
    // What V8 and malloc keep for later stays mapped, and cached: it is given up here.
    manager.flush();
    const until = performance.now() + PATIENCE_MS;
    while (manager.stats().bytesPinned > this.#reserve && performance.now() < until)
      await new Promise((resolve) => setTimeout(resolve, 1));
    const stats = manager.stats();
    this.#channel.close();
    return {
      operations: this.operations,
      wrong: this.wrong,
      hits: stats.hitsIdentity + stats.hitsAddress,
      misses: stats.misses,
      invalidations: stats.invalidations,
      evictions: stats.evictions,
      renewals: stats.renewals,
      pinnedMax: stats.bytesPinnedMax,
      pinned: stats.bytesPinned - this.#reserve,
    };
  }

  #allocate(): void {
    if (this.#owned.length === BUFFERS_MAX) this.#free(this.#random.below(BUFFERS_MAX));
    const length = 1 + this.#random.below(this.#random.chance(0.5) ? BUFFER_BYTES_MAX : 16 * PAGE);
    if (this.#random.chance(0.6)) {
      this.#owned.push({ bytes: new Uint8Array(length), address: undefined });
      return;
    }
    const address = map(Math.ceil(length / PAGE) * PAGE);
    this.#owned.push({ bytes: bytesAt(address, length), address });
  }

  #free(i: number): void {
    const [{ bytes, address }] = this.#owned.splice(i, 1);
    // V8's own are left to the collector.
    if (address !== undefined) unmap(address, Math.ceil(bytes.length / PAGE) * PAGE);
  }

  /** Other pages behind the address of a living buffer. */
  #remap(): void {
    const { bytes, address } = this.#random.pick(this.#owned);
    if (address === undefined) return;
    const length = Math.ceil(bytes.length / PAGE) * PAGE;
    const way = this.#random.below(3);
    const { call, threadCall, threadJoin } = helpers();
    if (way === 0) ok(call(SYS.madvise, address, length, MADV.dontNeed));
    else if (way === 1) map(length, { address });
    else {
      const flags = MAP.private | MAP.anonymous | MAP.fixed;
      ok(threadJoin(threadCall(SYS.mmap, address, length, PROT.readWrite, flags, -1, 0)));
    }
  }

  /** A part of a buffer, with bytes that nobody had before. */
  #part(): Uint8Array {
    const { bytes } = this.#random.pick(this.#owned);
    const offset = this.#random.chance(0.5) ? 0 : this.#random.below(bytes.length);
    const most = Math.min(OPERATION_BYTES_MAX, bytes.length - offset);
    return bytes.subarray(offset, offset + 1 + this.#random.below(most));
  }

  #pattern(view: Uint8Array): void {
    view.fill(this.#random.below(256));
    for (let at = 0; at < view.length; at += 1 + this.#random.below(PAGE))
      view[at] = this.#random.below(256);
  }

  #send(): void {
    const view = this.#part();
    this.#pattern(view);
    this.#compare('sent', this.#channel.send(view), view);
  }

  #receive(): void {
    const view = this.#part();
    const bytes = this.#copy.subarray(0, view.length);
    this.#pattern(bytes);
    this.#channel.receive(view, bytes);
    this.#compare('received', view, bytes);
  }

  /** What came beside what was meant to; where it differs, where and how is said on stderr. */
  #compare(what: string, came: Uint8Array, meant: Uint8Array): void {
    if (Buffer.compare(came, meant) === 0) return;
    this.wrong += 1;
    if (this.wrong > SHOWN_MOST) return;
    const differ = (at: number) => came[at] !== meant[at];
    const places = Array.from(meant.keys()).filter(differ);
    const [first, last] = [places[0], places.at(-1)];
    process.stderr.write(
      `operation ${this.operations}: of ${meant.length} bytes ${what} ${places.length} are wrong, from ${first} to ${last}: ${came.subarray(first, first + 8)} for ${meant.subarray(first, first + 8)}\n`,
    );
  }
}
