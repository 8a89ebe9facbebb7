/** How operations end, each of them once, and why an operation cannot have its message. */
import { MpiError } from '../base/error.ts';
import { COMPLETE, FAILED, type Operation, PENDING } from './operation.ts';

/** Makes progress while operations are under way. */
interface Tracking {
  track(): void;
  untrack(): void;
}

export class Completion {
  readonly #rank: number;
  readonly #loop: Tracking;
  /** What operations failed with of which the program has not heard. */
  readonly unseen = new Set<MpiError>();
  /** Whoever drops such an operation never hears of it: that is an unhandled rejection. */
  readonly #dropped = new FinalizationRegistry<MpiError>((error) => {
    if (this.unseen.delete(error)) Promise.reject(error);
  });

  constructor(rank: number, loop: Tracking) {
    this.#rank = rank;
    this.#loop = loop;
  }

  complete(operation: Operation, peer: number, tag: number, length: number): void {
    operation.peer = peer;
    operation.tag = tag;
    operation.matchedLength = length;
    this.#settle(operation, COMPLETE);
  }

  /** Does nothing where the operation has ended already. */
  fail(operation: Operation, error: MpiError): void {
    if (operation.state !== PENDING) return;
    operation.error = error;
    // Nobody waits for it at this moment.
    if (operation.tracked && operation.settled === null) this.leaveUnseen(operation, error);
    this.#settle(operation, FAILED);
  }

  /** What the program has started has failed, and the program does not know it yet. */
  leaveUnseen(started: object, error: MpiError): void {
    this.unseen.add(error);
    this.#dropped.register(started, error);
  }

  #settle(operation: Operation, state: number): void {
    operation.state = state;
    if (operation.tracked) this.#loop.untrack();
    const { settled } = operation;
    operation.settled = null;
    settled?.();
  }

  /** A nonblocking operation goes on while the event loop turns. */
  track(operation: Operation): void {
    operation.tracked = true;
    this.#loop.track();
  }

  /** Why an operation cannot have a message of `length` bytes; null where it can. */
  refusal(operation: Operation, peer: number, tag: number, length: number): MpiError | null {
    const rank = this.#rank;
    if (!operation.intact) {
      const what = operation.isSend ? `to rank ${peer}` : `from rank ${peer}`;
      return new MpiError(
        'ERR_BUFFER',
        `the buffer of a message ${what} was detached or shrunk while the operation was under way`,
        { rank, peer, tag },
      );
    }
    if (length <= operation.length) return null;
    return new MpiError(
      'ERR_TRUNCATE',
      `a message of ${length} bytes from rank ${peer} with tag ${tag} is larger than the receive buffer of ${operation.length} bytes: the message is dropped; give a larger buffer`,
      { rank, peer, tag },
    );
  }
}
