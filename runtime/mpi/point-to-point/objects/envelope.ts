/**
 * The first message of an object. It says what belongs to the object, and brings all of it where that is short;
 * else its arrays, and what the codec made of the rest, follow in messages of their own.
 *
 *     32 bytes of header | 8 bytes for the length of each array | the codec's bytes | the arrays
 *
 * The last two begin at multiples of 8.
 */
import { MpiError } from '../../../base/error.ts';
import { OBJECT_IDS } from '../library-tags.ts';

/** The first message of an object is no longer: each receive has room for one. */
export const OBJECT_FIRST_MAX = 8192;

const HEADER_BYTES = 32;
const MAGIC = 0x4f6a_6264;
/** The codec's bytes, and the lengths of the arrays, are in the first message. */
const STREAM = 1;
/** The arrays are, too. */
const VIEWS = 2;
/** The sender waits until the object is received. */
const SYNCHRONOUS = 4;

const WORD = { magic: 0, flags: 1, id: 2, views: 3, checksum: 6 } as const;
const LENGTH = 2;

const roundUp = (bytes: number): number => Math.ceil(bytes / 8) * 8;

/** What a first message says. */
export interface Envelope {
  readonly flags: number;
  readonly id: number;
  readonly views: number;
  /** Of the codec's bytes. */
  readonly length: number;
}

export const hasStream = ({ flags }: Envelope): boolean => (flags & STREAM) !== 0;
export const hasViews = ({ flags }: Envelope): boolean => (flags & VIEWS) !== 0;
export const isSynchronous = ({ flags }: Envelope): boolean => (flags & SYNCHRONOUS) !== 0;

let lastId = 0;

/** Memory of a first message. */
export class First {
  readonly bytes = new Uint8Array(OBJECT_FIRST_MAX);
  readonly #words = new Uint32Array(this.bytes.buffer);
  readonly #numbers = new Float64Array(this.bytes.buffer);

  /** Writes it. What it does not bring is to follow. */
  put(
    stream: Uint8Array,
    views: readonly Uint8Array[],
    synchronous: boolean,
  ): { envelope: Envelope; message: Uint8Array } {
    const at = HEADER_BYTES + 8 * views.length;
    const viewsAt = roundUp(at + stream.length);
    const end = views.reduce((sum, view) => sum + roundUp(view.length), viewsAt);
    const flags =
      (viewsAt <= OBJECT_FIRST_MAX ? STREAM : 0) |
      (end <= OBJECT_FIRST_MAX ? VIEWS : 0) |
      (synchronous ? SYNCHRONOUS : 0);
    lastId = (lastId + 1) % OBJECT_IDS;
    const envelope = { flags, id: lastId, views: views.length, length: stream.length };
    this.#putHeader(envelope);
    if ((flags & STREAM) === 0) return { envelope, message: this.bytes.subarray(0, HEADER_BYTES) };
    for (let i = 0; i < views.length; i++) this.#numbers[HEADER_BYTES / 8 + i] = views[i].length;
    this.bytes.set(stream, at);
    if ((flags & VIEWS) === 0) return { envelope, message: this.bytes.subarray(0, viewsAt) };
    let place = viewsAt;
    for (const view of views) {
      this.bytes.set(view, place);
      place += roundUp(view.length);
    }
    return { envelope, message: this.bytes.subarray(0, end) };
  }

  #putHeader({ flags, id, views, length }: Envelope): void {
    const words = this.#words;
    words[WORD.magic] = MAGIC;
    words[WORD.flags] = flags;
    words[WORD.id] = id;
    words[WORD.views] = views;
    this.#numbers[LENGTH] = length;
    words[WORD.checksum] = this.#checksum();
    words[WORD.checksum + 1] = 0;
  }

  #checksum(): number {
    let sum = 0x811c_9dc5;
    for (let i = 0; i < WORD.checksum; i++) sum = Math.imul(sum ^ this.#words[i], 0x0100_0193);
    return sum >>> 0;
  }

  /** Reads a message of `received` bytes. @throws MpiError ERR_PROTOCOL where it is none of an object */
  envelope(received: number): Envelope {
    const words = this.#words;
    const envelope = {
      flags: words[WORD.flags],
      id: words[WORD.id],
      views: words[WORD.views],
      length: this.#numbers[LENGTH],
    };
    const whole =
      received >= HEADER_BYTES &&
      words[WORD.magic] === MAGIC &&
      words[WORD.checksum] === this.#checksum() &&
      Number.isSafeInteger(envelope.length) &&
      envelope.length >= 0;
    if (!whole || received !== this.#expected(envelope)) throw noObject();
    return envelope;
  }

  #expected(envelope: Envelope): number {
    if (!hasStream(envelope)) return HEADER_BYTES;
    const end = roundUp(HEADER_BYTES + 8 * envelope.views + envelope.length);
    if (!hasViews(envelope) || end > OBJECT_FIRST_MAX) return end;
    return this.lengths(envelope).reduce((sum, length) => {
      return sum + (Number.isSafeInteger(length) && length >= 0 ? roundUp(length) : Number.NaN);
    }, end);
  }

  /** The lengths of the arrays. */
  lengths({ views }: Envelope): Float64Array {
    return this.#numbers.subarray(HEADER_BYTES / 8, HEADER_BYTES / 8 + views);
  }

  /** The codec's bytes. */
  stream({ views, length }: Envelope): Uint8Array {
    const at = HEADER_BYTES + 8 * views;
    return this.bytes.subarray(at, at + length);
  }

  /** The arrays, each in memory of its own. */
  views(envelope: Envelope): Uint8Array[] {
    let at = roundUp(HEADER_BYTES + 8 * envelope.views + envelope.length);
    return Array.from(this.lengths(envelope), (length) => {
      const view = this.bytes.slice(at, at + length);
      at += roundUp(length);
      return view;
    });
  }
}

export function noObject(cause?: unknown): MpiError {
  return new MpiError(
    'ERR_PROTOCOL',
    'a message that was received as an object is none, or is of another codec: buffers that are sent need a receive of their own, with another tag',
    { cause },
  );
}
