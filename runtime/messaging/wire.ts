/** Packets of the message protocol (docs/internals/protocol.md): kinds, and what their words mean. */

/** A whole message: context, tag, and the body. */
export const EAGER = 1;
/**
 * Ready to send: a message too large, or too many. Extension: length (low, high), the sender's
 * transfer id, how its memory can be reached (kind of access, low, high, key) and for how many bytes of
 * the message (0: all). The body is the beginning of the message.
 */
export const RTS = 2;
/**
 * Clear to send. Extension: the sender's transfer id, the receiver's, what to do (COPY, SHARE, GET or
 * PUT), and what that needs; see CTS_WORD.
 */
export const CTS = 3;
/** A further packet of a copied message; the tag is the receiver's transfer id. */
export const DATA = 4;
/** The receiver has all, or wants no more; the tag is the sender's transfer id. */
export const FIN = 5;
/** The sender's buffer is gone in mid-transfer; the tag is the receiver's transfer id. */
export const CANCEL = 6;

/** First packet of a multi-packet eager message: the message's length, the sender's id for it, and its beginning. */
export const EAGER_FIRST = 7;
/** A further packet of such a message; the tag is the sender's id for it. */
export const EAGER_NEXT = 8;

/** A further segment that the sender exports to be read; the tag is the receiver's transfer id. */
export const SEGMENT = 9;
/** A further segment that the receiver exports to be written; the tag is the sender's transfer id. */
export const TARGET = 10;
/** The oldest segment exported was read; the tag is the sender's transfer id. */
export const FETCHED = 11;
/** The oldest segment exported was written; the tag is the receiver's transfer id. */
export const WRITTEN = 12;
/**
 * Nothing more will be written. Extension: how far the message was (low, high); the receiver asks for
 * what is left of it by another CTS. The tag is the receiver's transfer id.
 */
export const PUT_FIN = 13;
/**
 * The receiver has all, as FIN says, if the sender's buffer is still whole: the sender answers by
 * CONFIRMED or CANCEL. The tag is the sender's transfer id; extension: the receiver's.
 */
export const CONFIRM = 14;
/** The buffer was whole while it was read; the tag is the receiver's transfer id. */
export const CONFIRMED = 15;
/** The receiver asks for SHARED once the sender works on no chunk of a shared copy; as CONFIRM. */
export const SHARE_ASK = 16;
/** The sender works on no chunk any more; the tag is the receiver's transfer id. */
export const SHARED = 17;
/** The sender's buffer is gone before all packets of a multi-packet eager message were sent; the tag is the sender's id for it. */
export const CUT = 18;
/**
 * From now on the sender's context, and the next, belong to the communicator that the receiver calls by this
 * number; see KEY_WORD. The tag is 0.
 */
export const OPEN = 19;
/** The same of a communicator that has no number yet, by a name: all words of the extension. */
export const OPEN_NAMED = 20;

/**
 * A rank that waits in a collective call asks what became of it at another rank. The tag is that of the call's messages;
 * see CALL_WORD. The body says in words what is called, and where.
 */
export const ASK_CALL = 21;
/**
 * The call can never end: why. The context is the sender's number; in an answer the receiver's own, see
 * CALL_WORD.
 */
export const TELL_CALL = 22;

// Flow control (docs/internals/protocol.md#credit). The tag is the flow, see flowOf.

/** Messages wait for credit at the sender. */
export const STALLED = 32;
/** A receive is posted that may be waiting for one of them; see SEEK_WORD. */
export const SEEK = 33;
/** No such message waits. Extension: 1 where none waits at all any more. */
export const NONE = 34;
/** A message waits that was sought; see FOUND_WORD. */
export const FOUND = 35;
/** The receive is still there: the message may leave, whatever the credit. */
export const TAKE = 36;
/** No receive waits for it that was sought. */
export const PASS = 37;
/** The buffer of the message that was taken is gone. */
export const GONE = 38;
/** All credit that was returned so far. */
export const CREDIT = 39;

/** Words of an OPEN's extension. */
export const KEY_WORD = { low: 0, high: 1 } as const;

/** Words of an ASK_CALL's and a TELL_CALL's extension; the number counts from 1, and `persistent`
 * says whose. `question` counts what the asking rank has asked, and stands in the answer again. */
export const CALL_WORD = {
  low: 0,
  high: 1,
  persistent: 2,
  reason: 3,
  answers: 4,
  question: 5,
} as const;
/** {@link CALL_WORD}.reason of an answer: the communicator was freed. Others are the sender's business. */
export const CALL_FREED = 1;

/** Words of a SEEK's extension; the tag may be ANY_TAG. */
export const SEEK_WORD = { context: 0, tag: 1 } as const;
/** Words of a FOUND's extension; `answers` is 1 in the answer to a SEEK. */
export const FOUND_WORD = { context: 0, tag: 1, answers: 2 } as const;

/** CTS: send the rest in DATA packets, from a position on. */
export const COPY = 1;
/** CTS: both ends copy, chunk by chunk as they claim them. */
export const SHARE = 2;
/** CTS: export the segments that the RTS did not. */
export const GET = 3;
/** CTS: write to the segments that are exported. */
export const PUT = 4;

/** A CTS's `how` holds one of these, and beside it the kind of access to the receiver's memory. */
export const CTS_HOW_MASK = 0xff;
export const CTS_KIND_SHIFT = 8;

/**
 * An RTS's `kind` holds that of the access, and this: the buffer cannot be taken away before the
 * send ends, so what is read of it needs no CONFIRM.
 */
export const RTS_HELD = 1 << 8;
/** In the same word: the sender waits for the match, and hears FIN of a message that came whole as well. */
export const RTS_SYNCHRONOUS = 1 << 9;
/** Beside it: the bytes do not lie side by side, and come in packets. */
export const RTS_PACKED = 1 << 10;
export const RTS_KIND_MASK = 0xff;

/** Words of an RTS's extension. */
export const RTS_WORD = {
  lengthLow: 0,
  lengthHigh: 1,
  transfer: 2,
  kind: 3,
  accessLow: 4,
  accessHigh: 5,
  key: 6,
  exportedBytes: 7,
} as const;

/** Words of a CTS's extension. */
export const CTS_WORD = {
  transfer: 0,
  receiver: 1,
  how: 2,
  /** SHARE and PUT: access to the receiver's memory. COPY: the position. */
  accessLow: 3,
  accessHigh: 4,
  /** SHARE: the claim's generation. PUT: bytes of the exported segment. */
  generation: 5,
  segmentBytes: 5,
  key: 6,
  /** PUT: where in the message the exported segment begins. */
  segmentStart: 7,
} as const;

/** Words of a SEGMENT's and a TARGET's extension. */
export const SEGMENT_WORD = {
  bytes: 0,
  kind: 1,
  accessLow: 2,
  accessHigh: 3,
  key: 4,
  startLow: 5,
  startHigh: 6,
} as const;

/** Words of a CONFIRM's and a SHARE_ASK's extension. */
export const ASK_WORD = { receiver: 0 } as const;

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
