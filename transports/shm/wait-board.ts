/**
 * What the ranks of a node wait for, where all of them can read it. A rank that has slept for a while
 * writes it into its wait page; whoever finds that nobody can ever end some of these waits says so in the
 * control pages of those ranks (docs/internals/deadlock.md).
 */
import { fence } from '../ordering.ts';
import { ring } from './doorbell.ts';
import { AWAKE, CONTROL, LEFT, WAIT_TEXT, WAIT_TEXT_BYTES } from './layout.ts';
import type { Segment } from './segment.ts';

/** What a rank has written, and which of its waits it is. */
export interface Posted {
  readonly wait: number;
  readonly text: string;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export class WaitBoard {
  /** World ranks of this node. */
  readonly ranks: readonly number[];
  readonly textBytes = WAIT_TEXT_BYTES;
  readonly #segment: Segment;
  readonly #own: Int32Array;
  readonly #control: (local: number) => Int32Array;

  /** @param control the control page of a local rank */
  constructor(segment: Segment, control: (local: number) => Int32Array) {
    this.ranks = segment.ranks;
    this.#segment = segment;
    this.#control = control;
    this.#own = control(segment.self);
  }

  get published(): boolean {
    return (this.#own[CONTROL.wait] & 1) === 1;
  }

  /** Says what this rank waits for, in at most `textBytes` bytes. */
  publish(text: string): void {
    this.clear();
    // Who reads the new text sees that the wait before is over.
    fence();
    const page = new Uint8Array(this.#own.buffer, WAIT_TEXT, WAIT_TEXT_BYTES);
    const { written } = encoder.encodeInto(text, page);
    this.#own[WAIT_TEXT / 4 - 1] = written;
    Atomics.add(this.#own, CONTROL.wait, 1);
  }

  /** The wait is over. */
  clear(): void {
    if (this.published) Atomics.add(this.#own, CONTROL.wait, 1);
  }

  /** The rank sleeps: its doorbell is armed, and a look after that has found nothing. */
  sleeps(): void {
    if (this.published) Atomics.store(this.#own, CONTROL.quiet, this.#own[CONTROL.wait]);
  }

  /** The rank sleeps no longer. Before its doorbell is disarmed. */
  wakes(): void {
    if (this.#own[CONTROL.quiet] !== 0) Atomics.store(this.#own, CONTROL.quiet, 0);
  }

  /** Whether a peer has found that nobody can end the wait that this rank has published. */
  get doomed(): boolean {
    return this.published && Atomics.load(this.#own, CONTROL.doomed) === this.#own[CONTROL.wait];
  }

  hasLeft(local: number): boolean {
    return Atomics.load(this.#control(local), CONTROL.presence) === LEFT;
  }

  /** What a rank, a local one, says; undefined while it says nothing. */
  read(local: number): Posted | undefined {
    const wait = Atomics.load(this.#control(local), CONTROL.wait);
    return (wait & 1) === 1 ? this.#textOf(local, wait, wait) : undefined;
  }

  /** The same of a wait that nobody could end; also after its rank has gone on, until it says something new. */
  readDoomed(local: number): Posted | undefined {
    const control = this.#control(local);
    const doomed = Atomics.load(control, CONTROL.doomed);
    const wait = Atomics.load(control, CONTROL.wait);
    if (doomed === 0 || (wait !== doomed && wait !== doomed + 1)) return undefined;
    return this.#textOf(local, doomed, wait);
  }

  /** @param now the word that stands while the text is read */
  #textOf(local: number, wait: number, now: number): Posted | undefined {
    const control = this.#control(local);
    const length = Math.min(control[WAIT_TEXT / 4 - 1] >>> 0, WAIT_TEXT_BYTES);
    // A copy: TextDecoder refuses memory that is shared, and the rank may write meanwhile.
    const bytes = new Uint8Array(control.buffer, WAIT_TEXT, length).slice();
    fence();
    if (Atomics.load(control, CONTROL.wait) !== now) return undefined;
    return { wait, text: decoder.decode(bytes) };
  }

  /** Whether a rank sleeps in that wait, and nothing that was sent to it is still to be looked at. */
  isQuiet(local: number, wait: number): boolean {
    const control = this.#control(local);
    const quiet = Atomics.load(control, CONTROL.quiet) === wait;
    const same = Atomics.load(control, CONTROL.wait) === wait;
    return quiet && same && Atomics.load(control, CONTROL.sleep) !== AWAKE;
  }

  /** Nobody can end these waits: their ranks wake, and each sees all of them. */
  doom(waits: readonly { readonly local: number; readonly wait: number }[]): void {
    for (const { local, wait } of waits) Atomics.store(this.#control(local), CONTROL.doomed, wait);
    for (const { local } of waits)
      if (local !== this.#segment.self) ring(this.#control(local), this.#segment.doorbells[local]);
  }
}
