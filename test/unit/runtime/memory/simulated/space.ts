/**
 * A simulated address space. Each page has a generation that changes whenever its translation does,
 * so that a registration made for another generation can be told: it would carry wrong bytes.
 */
import type { View } from '../../../../../runtime/memory/view.ts';

export const PAGE = 4096;

/** Where buffers begin that nobody placed, such as bounce buffers: away from the arena. */
const UNPLACED = 2 ** 40;

interface Placed {
  address: number;
  buffer: WeakRef<ArrayBufferLike>;
}

/** Told of each change of translations, before the change is visible to anybody else. */
export type Listener = (start: number, end: number, reason: number) => void;

export class AddressSpace {
  readonly listeners = new Set<Listener>();
  readonly #generations = new Map<number, number>();
  readonly #addresses = new WeakMap<ArrayBufferLike, number>();
  readonly #placed: Placed[] = [];
  #clock = 0;
  #unplaced = UNPLACED;

  /** Maps fresh pages over [start, end). */
  map(start: number, end: number): void {
    for (let page = start / PAGE; page < end / PAGE; page++)
      this.#generations.set(page, ++this.#clock);
  }

  unmap(start: number, end: number, reason = 1): void {
    for (const listener of this.listeners) listener(start, end, reason);
    for (let page = start / PAGE; page < end / PAGE; page++) this.#generations.delete(page);
  }

  /** As MADV_DONTNEED, or munmap and mmap of the same address. */
  renew(start: number, end: number, reason = 2): void {
    for (const listener of this.listeners) listener(start, end, reason);
    this.map(start, end);
  }

  /** The generations of a range; undefined where a page is not mapped. */
  generations(start: number, end: number): number[] | undefined {
    const found: number[] = [];
    for (let page = start / PAGE; page < end / PAGE; page++) {
      const generation = this.#generations.get(page);
      if (generation === undefined) return undefined;
      found.push(generation);
    }
    return found;
  }

  /** Says that a buffer lies at an address. */
  place(buffer: ArrayBufferLike, address: number): void {
    this.#addresses.set(buffer, address);
    this.#placed.push({ address, buffer: new WeakRef(buffer) });
  }

  addressOf(view: View): number {
    let address = this.#addresses.get(view.buffer);
    if (address === undefined) {
      address = this.#unplaced;
      this.#unplaced += Math.ceil(view.buffer.byteLength / PAGE + 2) * PAGE;
      this.map(address, this.#unplaced);
      this.place(view.buffer, address);
    }
    return address + view.byteOffset;
  }

  /** The bytes at an address: of the buffer that was placed there last. */
  bytesAt(address: number, length: number): Uint8Array | undefined {
    for (let i = this.#placed.length - 1; i >= 0; i--) {
      const { address: start, buffer } = this.#placed[i];
      const bytes = buffer.deref();
      if (bytes && start <= address && start + bytes.byteLength >= address + length)
        return new Uint8Array(bytes, address - start, length);
    }
    return undefined;
  }
}
