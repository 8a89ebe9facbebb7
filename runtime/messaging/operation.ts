/** A send or receive under way, as the protocols see it. */
import type { Noncontiguous } from '../../transports/transport.ts';
import type { MpiError } from '../base/error.ts';
import type { WaitedOperation } from './deadlock/waits.ts';
import type { Envelope, Link, Posted } from './matching/bins.ts';

export const PENDING = 0;
export const COMPLETE = 1;
export const FAILED = 2;

/** {@link Operation.kind}: a receive, or a send. */
export const RECEIVE = 0;
export const SEND = 1;
/** With SEND: it ends no sooner than a receive has matched it. */
export const SYNCHRONOUS = 2;
/** The thread is blocked until it ends: its buffer cannot be taken away. */
export const BLOCKING = 4;
/** A probe: it shows a message and leaves it, or takes it for a later receive. */
export const PEEK = 8;
export const CLAIM = 16;
export const PROBE: number = PEEK | CLAIM;

/** What a rank can block for. */
export interface Awaited {
  /** PENDING, COMPLETE or FAILED. */
  readonly state: number;
  readonly isSend: boolean;
  /** The world rank that can end it, or a wildcard. */
  readonly peer: number;
  readonly tag: number;
  /** A rank that has slept so long for it asks ({@link stalled}), in milliseconds; Infinity: there is nobody to ask. */
  readonly asksAfterMs?: number;
  /** The rank has slept so long, and nothing has come. */
  stalled?(): void;
  /** For those who are told what this rank waits for: all of them, or any. */
  waits(): { mode: 'all' | 'any'; operations: WaitedOperation[] };
}

/** It is its own link in the queue of posted receives: a receive costs one object. */
export interface Operation extends Posted, Link<Posted> {
  /** World rank of a receive's source (or a wildcard), or of a send's destination; once complete, the message's. */
  peer: number;
  /** Once complete, the message's. */
  tag: number;
  readonly context: number;
  readonly isSend: boolean;
  /** Bits: SEND, SYNCHRONOUS, BLOCKING, PEEK, CLAIM. */
  readonly kind: number;
  /** The message that a probe has claimed. */
  message: Envelope | null;
  /** The buffer's bytes: held strongly while the operation lives. */
  readonly bytes: Uint8Array;
  /** The message's bytes, where they do not lie side by side: `bytes` is then empty. */
  readonly noncontiguous: Noncontiguous | null;
  /** Bytes of a send's message, or of the room for a receive's, when the operation began. */
  readonly length: number;
  /** The buffer still has all its bytes: it may have grown, but is not detached or shrunk. */
  readonly intact: boolean;
  /** Bytes of the message, once complete. */
  matchedLength: number;
  /** PENDING, COMPLETE or FAILED. */
  state: number;
  error: MpiError | null;
  /** The event loop makes progress for it. */
  tracked: boolean;
  /** Called when it has ended. */
  settled: (() => void) | null;
}

/** What is told of a message that was taken at once. */
export interface Taken {
  tag: number;
  byteLength: number;
}
