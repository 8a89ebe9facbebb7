/** Packets of the message protocol (docs/design/protocol.md): kinds, and what their words mean. */

/** A whole message: context, tag, and the body. */
export const EAGER = 1;
/**
 * Ready to send: a message too large, or too many. Extension: length (low, high), the sender's
 * transfer id, its exposure (scheme, low, high, key) and how many bytes of the message that covers
 * (0: all). The body is the message's first piece.
 */
export const RTS = 2;
/**
 * Clear to send. Extension: the sender's transfer id, the receiver's, what to do (COPY, SHARE, GET or
 * PUT), and what that needs; see CTS_WORD.
 */
export const CTS = 3;
/** The next piece of a message; the tag is the receiver's transfer id. */
export const DATA = 4;
/** The receiver has all, or wants no more; the tag is the sender's transfer id. */
export const FIN = 5;
/** The sender's buffer is gone in mid-transfer; the tag is the receiver's transfer id. */
export const CANCEL = 6;

/** A message that goes in pieces unasked: its length, the sender's id for it, and its first piece. */
export const LONG = 7;
/** The next piece of such a message; the tag is the sender's id for it. */
export const PIECE = 8;

/** A further segment that the sender exposes to be read; the tag is the receiver's transfer id. */
export const SEGMENT = 9;
/** A further segment that the receiver exposes to be written; the tag is the sender's transfer id. */
export const TARGET = 10;
/** The oldest segment exposed was read; the tag is the sender's transfer id. */
export const FETCHED = 11;
/** The oldest segment exposed was written; the tag is the receiver's transfer id. */
export const WRITTEN = 12;
/**
 * Nothing more will be written. Extension: how far the message was (low, high); the receiver asks for
 * what is left of it by another CTS. The tag is the receiver's transfer id.
 */
export const PUT_FIN = 13;

/** CTS: send the rest in DATA packets, from a position on. */
export const COPY = 1;
/** CTS: both ends copy, piece by piece as they claim them. */
export const SHARE = 2;
/** CTS: expose the segments that the RTS did not. */
export const GET = 3;
/** CTS: write to the segments that are exposed. */
export const PUT = 4;

/** A CTS's `how` holds one of these, and beside it the scheme of the receiver's exposure. */
export const CTS_HOW_MASK = 0xff;
export const CTS_SCHEME_SHIFT = 8;

/** Words of an RTS's extension. */
export const RTS_WORD = {
  lengthLow: 0,
  lengthHigh: 1,
  transfer: 2,
  scheme: 3,
  exposureLow: 4,
  exposureHigh: 5,
  key: 6,
  exposedBytes: 7,
} as const;

/** Words of a CTS's extension. */
export const CTS_WORD = {
  transfer: 0,
  receiver: 1,
  how: 2,
  /** SHARE and PUT: the receiver's exposure. COPY: the position. */
  exposureLow: 3,
  exposureHigh: 4,
  /** SHARE: the claim's generation. PUT: bytes of the exposed segment. */
  generation: 5,
  segmentBytes: 5,
  key: 6,
  /** PUT: where in the message the exposed segment begins. */
  segmentStart: 7,
} as const;

/** Words of a SEGMENT's and a TARGET's extension. */
export const SEGMENT_WORD = {
  bytes: 0,
  scheme: 1,
  exposureLow: 2,
  exposureHigh: 3,
  key: 4,
  startLow: 5,
  startHigh: 6,
} as const;

/** Words of a PUT_FIN's extension. */
export const PUT_FIN_WORD = { low: 0, high: 1 } as const;

const TWO_32 = 2 ** 32;

/** Writes a length or position into two words. */
export function putLong(words: Int32Array, low: number, high: number, value: number): void {
  words[low] = (value % TWO_32) | 0;
  words[high] = Math.floor(value / TWO_32);
}

/** Reads it; negative or beyond 2^53 where the words are not ours. */
export function longOf(words: Int32Array, low: number, high: number): number {
  return (words[low] >>> 0) + words[high] * TWO_32;
}

/** Largest message, in bytes: lengths travel in 64 bits, and JavaScript counts to 2^53. */
export const MESSAGE_MAX = Number.MAX_SAFE_INTEGER;
