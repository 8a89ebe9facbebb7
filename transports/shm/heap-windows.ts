/** What a rank sees of the heaps of its node: for copies from and to peers' memory. */
import { NO_BYTES } from '../../runtime/base/bytes.ts';
import { MpiError } from '../../runtime/base/error.ts';
import type { MappedPlace } from '../transport.ts';

/** A peer's heap is mapped in pieces of this size. */
export const HEAP_WINDOW_BYTES = 64 * 2 ** 20;
/**
 * Pieces of peers' heaps that a rank keeps mapped. The piece that was not used for longest is unmapped
 * first.
 */
export const HEAP_WINDOWS_MAX = 64;

/** A file in memory that can be mapped in pieces: the segment's heaps, or a peer's shared heap. */
export interface HeapFile {
  /** Whether it is at least this long. */
  heapsReach(end: number): boolean;
  mapHeaps(offset: number, bytes: number): ArrayBuffer;
}

/** Views of such a file for copies from and to peers' memory. */
export class HeapWindows {
  readonly #file: HeapFile;
  /** By window number, the one used last at the end. */
  readonly #windows = new Map<number, Uint8Array>();
  /** The one used last: pieces come in a row, and its place in the map is right already. */
  #lastNumber = -1;
  #last: Uint8Array = NO_BYTES;

  constructor(file: HeapFile) {
    this.#file = file;
  }

  /**
   * Calls `copy(window, at, done, bytes)` for each piece of [offset, offset + length) of the heaps: the
   * piece lies at `window[at..]` and is number `done` onwards of the range.
   * @throws MpiError ERR_PROTOCOL where the range is not inside the heaps
   */
  forEach(
    offset: number,
    length: number,
    copy: (window: Uint8Array, at: number, done: number, bytes: number) => void,
  ): void {
    this.#check(offset, length);
    let done = 0;
    while (done < length) {
      const at = (offset + done) % HEAP_WINDOW_BYTES;
      const bytes = Math.min(length - done, HEAP_WINDOW_BYTES - at);
      copy(this.#window(Math.floor((offset + done) / HEAP_WINDOW_BYTES)), at, done, bytes);
      done += bytes;
    }
  }

  /**
   * Whether [offset, offset + length) of the heaps lies in one window, which `found` tells of.
   * @throws MpiError ERR_PROTOCOL where the range is not inside the heaps
   */
  locate(offset: number, length: number, found: MappedPlace): boolean {
    this.#check(offset, length);
    found.at = offset % HEAP_WINDOW_BYTES;
    found.window = this.#window(Math.floor(offset / HEAP_WINDOW_BYTES));
    return found.at + length <= HEAP_WINDOW_BYTES;
  }

  #check(offset: number, length: number): void {
    if (!(offset >= 0) || !this.#file.heapsReach(offset + length))
      throw new MpiError(
        'ERR_PROTOCOL',
        'a peer exported memory outside of the shared heaps: let all ranks run the same version of dreg-mpi',
      );
  }

  #window(number: number): Uint8Array {
    if (number !== this.#lastNumber) {
      this.#last = this.#find(number);
      this.#lastNumber = number;
    }
    return this.#last;
  }

  #find(number: number): Uint8Array {
    let window = this.#windows.get(number);
    if (window === undefined) {
      // The file may end within the window, and grow later. Nothing touches the window behind the file's
      // end.
      const offset = number * HEAP_WINDOW_BYTES;
      window = new Uint8Array(this.#file.mapHeaps(offset, HEAP_WINDOW_BYTES));
      if (this.#windows.size >= HEAP_WINDOWS_MAX)
        this.#windows.delete(this.#windows.keys().next().value as number);
    } else this.#windows.delete(number);
    this.#windows.set(number, window);
    return window;
  }
}
