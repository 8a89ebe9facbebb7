/** The same memory as bytes and as words of 32 and 64 bits. */
import { bufferOf, byteLengthOf, byteOffsetOf } from '../../base/bytes.ts';
import { MpiError } from '../../base/error.ts';

const WORD = 8;

/** What an array shows. Addresses in it count from the multiple of eight at or before its first byte. */
export class Memory {
  readonly bytes: Uint8Array;
  readonly words: Int32Array;
  /** V8 moves what a BigInt64Array holds without making a BigInt of it, and keeps each bit of a NaN. */
  readonly longs: BigInt64Array;
  /** The address of the array's first byte. */
  readonly start: number;

  constructor(memory: ArrayBufferLike, byteOffset: number, byteLength: number) {
    this.start = byteOffset % WORD;
    const origin = byteOffset - this.start;
    const length = byteLength + this.start;
    try {
      this.bytes = new Uint8Array(memory, origin, length);
      this.words = new Int32Array(memory, origin, Math.floor(length / 4));
      this.longs = new BigInt64Array(memory, origin, Math.floor(length / 8));
    } catch (cause) {
      throw new MpiError(
        'ERR_BUFFER',
        `a buffer of ${byteLength} bytes is longer than an array of bytes can be in Node ${process.versions.node}: send and receive it in parts`,
        { cause },
      );
    }
  }
}

const known = new WeakMap<object, Memory>();

/** The memory of a typed array; made once, as long as the array stays what it is. */
export function memoryOf(array: ArrayBufferView): Memory {
  let memory = known.get(array);
  const length = byteLengthOf(array);
  // A resizable buffer's view may have grown since, or have shrunk.
  if (memory === undefined || memory.bytes.length !== length + memory.start) {
    memory = new Memory(bufferOf(array), byteOffsetOf(array), length);
    known.set(array, memory);
  }
  return memory;
}
