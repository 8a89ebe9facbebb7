/** Values as bytes that travel in collective operations: in one piece, since those on the way pass them on. */
import { MpiError } from '../../base/error.ts';
import type { Codec } from '../point-to-point/objects/codec.ts';
import { noObject } from '../point-to-point/objects/envelope.ts';
import { encode } from '../point-to-point/objects/transfer.ts';

/**
 * Numbers of 8 bytes: the codec's bytes, how many arrays, the length of each. Then the codec's bytes, then the arrays; each of
 * them begins at a multiple of 8.
 */
const HEADER_WORDS = 2;

const roundUp = (bytes: number) => Math.ceil(bytes / 8) * 8;

/** @throws MpiError ERR_ARG where the codec cannot encode the value; ERR_BUFFER, ERR_NO_MEM */
export function packObject<T>(codec: Codec<T>, value: T): Uint8Array {
  const { stream, views } = encode(codec, value);
  const words = Float64Array.of(stream.length, views.length, ...views.map(({ length }) => length));
  const parts = [new Uint8Array(words.buffer), stream, ...views];
  const packed = memory(parts.reduce((sum, { length }) => sum + roundUp(length), 0));
  let at = 0;
  for (const part of parts) {
    packed.set(part, at);
    at += roundUp(part.length);
  }
  return packed;
}

/** @throws MpiError ERR_PROTOCOL where it is no object of this codec */
export function unpackObject<T>(codec: Codec<T>, packed: Uint8Array): T {
  try {
    const numbers = new Float64Array(packed.buffer, packed.byteOffset, packed.length >> 3);
    const [length, count] = numbers;
    const lengths = numbers.subarray(HEADER_WORDS, HEADER_WORDS + count);
    let at = 8 * (HEADER_WORDS + count);
    const stream = packed.subarray(at, at + length);
    at += roundUp(length);
    const views = Array.from(lengths, (bytes) => {
      const view = packed.slice(at, at + bytes);
      at += roundUp(bytes);
      return view;
    });
    return codec.decode(stream, views);
  } catch (error) {
    throw error instanceof MpiError ? error : noObject(error);
  }
}

/** New memory that begins at a multiple of 8. @throws MpiError ERR_NO_MEM */
export function memory(length: number): Uint8Array {
  try {
    return new Uint8Array(length);
  } catch (cause) {
    throw new MpiError('ERR_NO_MEM', `there is no memory for ${length} bytes of an object`, {
      cause,
    });
  }
}
