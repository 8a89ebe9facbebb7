/** The receiver's half of a flow from one peer: what is kept of it, and how far it was searched. */
import type { Operation } from '../operation.ts';
import { beyond, type CreditLimits } from './credit.ts';

export class ReceiveFlow {
  readonly flow: number;
  /** The charges of the messages that are kept. */
  kept = 0;
  /** Of the library's flow: the credit returned so far, and as far as the peer was told. */
  returned = 0;
  #told = 0;

  /** Messages wait at the peer. */
  stalled = false;
  /** The order of the receive that the peer was asked for; 0: none. */
  asked = 0;
  /** It was asked before messages waited anew: the answer says nothing of the receives before it. */
  stale = false;
  /** Receives posted up to this one have been sought. */
  sought = 0;
  /** The receive that gets the next message of this flow, whatever is posted. */
  promised: Operation | null = null;

  /** None of these bits is set in what is kept. */
  readonly #beyond: number;

  constructor(flow: number, limits: CreditLimits) {
    this.flow = flow;
    this.#beyond = beyond(limits);
  }

  /** Keeps a message of this charge; false: no peer of ours sends it. */
  keep(charge: number): boolean {
    const kept = (this.kept + charge) | 0;
    if ((kept & this.#beyond) !== 0) return false;
    this.kept = kept;
    return true;
  }

  /** Returns credit of the library's; whether the peer should be told now. */
  giveBack(charge: number): boolean {
    this.returned = (this.returned + charge) | 0;
    const half = this.#beyond | (this.#beyond >>> 1);
    if (((this.returned - this.#told) & half) === 0) return false;
    this.#told = this.returned;
    return true;
  }
}
