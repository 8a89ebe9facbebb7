/** Requests of blocking operations, used again: such an operation costs no object. */
import { NO_BYTES } from '../../base/bytes.ts';
import { BLOCKING, PENDING } from '../../messaging/operation.ts';
import { TIMEOUT_MS_MAX } from '../../messaging/waiting.ts';
import type { Payload } from '../datatype/data.ts';
import { Request } from './request.ts';
import type { Owner } from './started-request.ts';

export class RequestPool {
  readonly #owner: Owner;
  readonly #context: number;
  readonly #idle: Request[] = [];

  constructor(owner: Owner, context: number) {
    this.#owner = owner;
    this.#context = context;
  }

  /** @param peer a rank of the world, or a wildcard */
  borrow(payload: Payload, peer: number, tag: number, kind: number): Request {
    const request =
      this.#idle.pop() ?? new Request(this.#owner, NO_BYTES, 0, this.#context, peer, tag);
    request.carry(payload);
    request.peer = peer;
    request.tag = tag;
    request.state = PENDING;
    // Whoever may leave the call before its end can take the buffer away.
    request.kind = this.#owner.timeout === TIMEOUT_MS_MAX ? kind | BLOCKING : kind;
    return request;
  }

  /** @throws MpiError that the operation failed with */
  giveBack(request: Request): void {
    const { error } = request;
    request.bytes = NO_BYTES;
    request.noncontiguous = null;
    request.error = null;
    this.#idle.push(request);
    if (error !== null) throw error;
  }
}
