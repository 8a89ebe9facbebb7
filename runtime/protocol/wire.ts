/** Packets of the message protocol (docs/design/protocol.md): kinds, and what their words mean. */

/** A whole message: context, tag, and the body. */
export const EAGER = 1;
/**
 * Ready to send: a message too large, or too many. Extension: length (low, high), the sender's
 * transfer id, its exposure (scheme, low, high). The body is the message's first piece.
 */
export const RTS = 2;
/**
 * Clear to send. Extension: the sender's transfer id, the receiver's, what to do (COPY or SHARE), and
 * for SHARE the receiver's exposure (low, high) and the claim's generation.
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

/** CTS: send the rest in DATA packets. */
export const COPY = 1;
/** CTS: both ends copy, piece by piece as they claim them. */
export const SHARE = 2;

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
} as const;

/** Words of a CTS's extension. */
export const CTS_WORD = {
  transfer: 0,
  receiver: 1,
  how: 2,
  exposureLow: 3,
  exposureHigh: 4,
  generation: 5,
} as const;

/** Largest message, in bytes: lengths travel in 64 bits, and JavaScript counts to 2^53. */
export const MESSAGE_MAX = Number.MAX_SAFE_INTEGER;
