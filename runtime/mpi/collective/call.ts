/** A collective call that has begun. */
import type { MpiError } from '../../base/error.ts';
import type { Endpoint } from '../point-to-point/endpoint.ts';
import type { Request } from '../point-to-point/request.ts';
import { type Signature, tagOf } from './signature.ts';

/** The calls of a communicator, as each of them knows them. */
export interface CallBook {
  readonly endpoint: Endpoint;
  /** That, and of an intercommunicator the group's own. */
  readonly endpoints: readonly Endpoint[];
  /** A call has to wait; until {@link leave} it can be given up. */
  enter(running: Running): void;
  leave(running: Running): void;
  /** A call has waited long for these: the others are asked what became of it there. */
  ask(running: Running, open: readonly Request[]): void;
  /** A rank of the world is asked what became of a call there. */
  askAbout(call: Call, peer: number): void;
  /** A rank of the world has made another call in place of this one, or of one before it. */
  compare(call: Call, peer: number): void;
  /** A call has failed here: whoever asks is told. */
  failed(call: Call, error: MpiError): void;
}

/** A call that waits. */
export interface Running {
  readonly call: Call;
  /** It can never end. */
  abandon(error: MpiError): void;
  /** Whether it waits for a rank of the world now. */
  waitsFor(peer: number): boolean;
  /** What it waits for has come in another shape: it asks once more. Absent where that cannot be. */
  askAgain?(): void;
  /** Where in the program, a call a line; empty where that is not known. */
  place(): string;
}

export class Call {
  readonly book: CallBook;
  readonly signature: Signature;
  /** Counted from 1 within the communicator; of a persistent one negative. */
  readonly number: number;
  /** Of all its messages. */
  readonly tag: number;

  constructor(book: CallBook, signature: Signature, number: number, algorithm: number) {
    this.book = book;
    this.signature = signature;
    this.number = number;
    this.tag = tagOf(signature, number, algorithm);
  }
}
