/** Copies within this rank, and pieces of what a rank sends and receives. */
import type { Noncontiguous } from '../../../transports/transport.ts';
import { isBytes, part, store } from '../../base/bytes.ts';
import { copyOf, type Payload, sizeOf } from '../datatype/data.ts';

export { partOf as range } from '../datatype/data.ts';

/** A rank's own block; both are equally long, and have no byte in common. */
export function copyPayload(from: Payload, to: Payload): void {
  const length = sizeOf(from);
  if (length === 0) return;
  if (isBytes(to)) {
    if (isBytes(from)) store(to, from);
    else from.pack(0, length, to, 0);
  } else to.unpack(0, length, isBytes(from) ? from : copyOf(from), 0);
}

/** Bytes [start, start + length) of a ring of bytes: those beyond the end are at the beginning. */
export function wrapped(ring: Uint8Array, start: number, length: number): Payload {
  if (start + length <= ring.length) return part(ring, start, start + length);
  return new Wrapped(ring, start, length);
}

class Wrapped implements Noncontiguous {
  readonly length: number;
  readonly #ring: Uint8Array;
  readonly #size: number;
  readonly #start: number;

  constructor(ring: Uint8Array, start: number, length: number) {
    this.length = length;
    this.#ring = ring;
    this.#size = ring.length;
    this.#start = start;
  }

  get intact(): boolean {
    return this.#ring.length === this.#size;
  }

  pack(offset: number, length: number, to: Uint8Array, at: number): void {
    const { from, first } = this.#split(offset, length);
    store(to, part(this.#ring, from, from + first), at);
    store(to, part(this.#ring, 0, length - first), at + first);
  }

  unpack(offset: number, length: number, from: Uint8Array, at: number): void {
    const { from: to, first } = this.#split(offset, length);
    store(this.#ring, part(from, at, at + first), to);
    store(this.#ring, part(from, at + first, at + length));
  }

  #split(offset: number, length: number): { from: number; first: number } {
    const from = (this.#start + offset) % this.#size;
    return { from, first: Math.min(length, this.#size - from) };
  }
}
