/**
 * Receives from one source in one context, posted in a row with nothing else to match: a window of them. If the
 * next packets of their source are theirs in order, they are taken from the channel without going through
 * matching: the receive posted first is the one that a packet of its tag belongs to. As soon as anything else comes
 * in between they are posted.
 */
import { TOOK_OTHER } from '../../../transports/transport.ts';
import { lengthOf } from '../../base/bytes.ts';
import type { Completion } from '../completion.ts';
import { chargeOf } from '../flow/credit.ts';
import type { KeptCredit } from '../flow/kept-credit.ts';
import type { Operation } from '../operation.ts';
import type { Peer } from '../peer.ts';
import { EAGER } from '../wire.ts';
import type { Context } from './context.ts';

/** Receives that may be held back; further ones are posted, and these before them. */
export const PREMATCHED_MAX = 1024;
/** Looks in a row at one channel alone that find nothing, before the receives held back are posted. */
export const PREMATCHED_MISSES_MAX = 400;

/** Where receives go that are not held back any more. */
interface Receiver {
  post(context: Context, receive: Operation): void;
}

export interface PrematchedHost {
  mayHoldBack(peer: Peer): boolean;
}

export class PrematchedReceives {
  readonly #host: PrematchedHost;
  readonly #completion: Completion;
  readonly #credit: KeptCredit;
  readonly #receiver: Receiver;
  /** Of its full length at once: to grow and to shrink it costs more than what it holds back. */
  readonly #requests: (Operation | null)[] = new Array(PREMATCHED_MAX).fill(null);
  #first = 0;
  #end = 0;
  #peer: Peer | null = null;
  #context: Context | null = null;
  /** What the peer calls it. */
  #number = 0;
  /** Looks at the channel in a row that found nothing. */
  #misses = 0;

  constructor(
    host: PrematchedHost,
    completion: Completion,
    credit: KeptCredit,
    receiver: Receiver,
  ) {
    this.#host = host;
    this.#completion = completion;
    this.#credit = credit;
    this.#receiver = receiver;
  }

  /** Whether any receive is held back. */
  get any(): boolean {
    return this.#peer !== null;
  }

  /** Holds a receive back if it is of those held back, or the first; posts the others where it is not. */
  take(request: Operation, context: Context, peer: Peer | undefined): boolean {
    if (request.noncontiguous !== null) {
      this.post();
      return false;
    }
    if (this.#peer === null) {
      // What is large comes by other packets than those that are taken here.
      if (peer === undefined || request.length > peer.packetBytes) return false;
      if (!context.quiet || !this.#host.mayHoldBack(peer)) return false;
      const number = context.names.nameOf(peer);
      if (number < 0) return false;
      this.#number = number;
      this.#peer = peer;
      this.#context = context;
    } else if (!this.#continues(request, peer)) {
      this.post();
      return false;
    }
    this.#requests[this.#end++] = request;
    context.apart++;
    return true;
  }

  #continues(request: Operation, peer: Peer | undefined): boolean {
    const last = this.#requests[this.#end - 1] as Operation;
    return peer === this.#peer && last.context === request.context && this.#end < PREMATCHED_MAX;
  }

  /** Takes what has come for the receives held back; how many messages it was. */
  progress(): number {
    const peer = this.#peer as Peer;
    const { channel, rank } = peer;
    const context = this.#context as Context;
    const requests = this.#requests;
    let count = 0;
    while (this.#first < this.#end) {
      const request = requests[this.#first] as Operation;
      // What has changed meanwhile is no matter for a short way.
      if (lengthOf(request.bytes) !== request.length) {
        this.post();
        return count;
      }
      const length = channel.tryTake(EAGER, this.#number, request.tag, request.bytes, 1);
      if (length === TOOK_OTHER) {
        this.post();
        return count;
      }
      if (length < 0) break;
      requests[this.#first++] = null;
      count++;
      context.apart--;
      this.#credit.giveBack(peer, context.flow, chargeOf(length));
      this.#completion.complete(request, rank, channel.takenTag, length);
    }
    if (this.#first === this.#end) this.#clear();
    else if (count > 0) this.#misses = 0;
    // Others may have sent as well: not for ever at this one channel alone.
    else if (++this.#misses >= PREMATCHED_MISSES_MAX) this.post();
    return count;
  }

  /** Posts the receives held back, in their order. */
  post(): void {
    const context = this.#context;
    if (context === null) return;
    const requests = this.#requests.slice(this.#first, this.#end);
    this.#requests.fill(null, this.#first, this.#end);
    this.#clear();
    context.apart -= requests.length;
    for (const request of requests) this.#receiver.post(context, request as Operation);
  }

  #clear(): void {
    this.#first = 0;
    this.#end = 0;
    this.#misses = 0;
    this.#peer = null;
    this.#context = null;
  }
}
