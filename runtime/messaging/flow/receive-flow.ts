/**
 * The receiver's half of a flow from one peer: the messages that are kept of it, and how far it was
 * searched.
 */
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
  /** The order of the receive about which the peer was asked; 0: none. */
  asked = 0;
  /**
   * The peer was asked before messages waited anew: the answer says nothing of the receives before that
   * one.
   */
  stale = false;
  /** Receives posted up to this one have been sought. */
  sought = 0;
  /** The receive that gets the next message of this flow, whatever is posted. */
  promised: Operation | null = null;

  /** None of these bits is set in the charges that are kept. */
  readonly #beyond: number;

  constructor(flow: number, limits: CreditLimits) {
    this.flow = flow;
    this.#beyond = beyond(limits);
  }

  /** Keeps a message of this charge. False: no correct peer sends it. */
  keep(charge: number): boolean {
    const kept = (this.kept + charge) | 0;
    if ((kept & this.#beyond) !== 0) return false;
    this.kept = kept;
    return true;
  }

  /**
   * Returns credit of the library's flow.
   * @returns whether the peer should be told now
   */
  giveBack(charge: number): boolean {
    this.returned = (this.returned + charge) | 0;
    const half = this.#beyond | (this.#beyond >>> 1);
    if (((this.returned - this.#told) & half) === 0) return false;
    this.#told = this.returned;
    return true;
  }
}
