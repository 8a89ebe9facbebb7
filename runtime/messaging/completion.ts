/** How an operation ends: what the protocols need to know of a send or receive, and of whoever waits for it. */
import type { MpiError } from '../base/error.ts';

/** A send or receive under way, as the protocols see it. */
export interface Operation {
  /** World rank of a receive's source (or a wildcard), or of a send's destination. */
  peer: number;
  tag: number;
  readonly context: number;
  readonly isSend: boolean;
  /** The thread is blocked until it ends: its buffer cannot be taken away. */
  readonly blocking: boolean;
  /** The buffer's bytes: held strongly while the operation lives. */
  readonly bytes: Uint8Array;
  /** How long `bytes` was when the operation began. */
  readonly length: number;
  /** Whether `bytes` is still what it was: a program can take its buffer away. */
  readonly intact: boolean;
}

/** Ends operations. Each ends once; what comes after is not heard. */
export interface Completion {
  complete(operation: Operation, peer: number, tag: number, length: number): void;
  fail(operation: Operation, error: MpiError): void;
  /** Why an operation cannot have a message of `length` bytes; null where it can. */
  refusal(operation: Operation, peer: number, tag: number, length: number): MpiError | null;
}
