/**
 * How many packets two connected ranks may have under way, so that a receive slot is always there.
 *
 * A rank may send a packet of the protocols while fewer than {@link DATA_WINDOW} of those it has sent
 * are not taken, and while these have fewer bytes than the layout's window. What was taken travels in the header of every packet. Where there is none to send,
 * a *credit* packet says it; one at a time: the next one waits until the peer has said, in whatever
 * it sends, that it took the last. A peer with nothing to send says it by an *acknowledge* packet
 * before it sleeps, or when it has polled in vain for a while. So each kind of packet has its own slot at the other end, nobody who lacks room
 * keeps another from giving it, and two idle ranks send nothing.
 */
import { CONTROL, DATA_WINDOW } from './layout.ts';

/** Taken packets after which a credit packet is worth sending at once. */
export const CREDIT_DUE = DATA_WINDOW / 2;

const DATA_MASK = 0xff_ffff;
const CREDIT_SHIFT = 24;

/** What a rank owes its peer ({@link CreditWindow.owed}). */
export const OWES_NOTHING = 0;

export class CreditWindow {
  readonly #windowBytes: number;
  /** Credit that the peer returned so far, modulo 2^32. */
  creditReturned = 0;
  /** Packets of the protocols that were sent, and of these the taken ones; modulo 2^24. */
  #sent = 0;
  #acknowledged = 0;
  /** Bytes of the packets that are under way, together and one by one. */
  #bytes = 0;
  readonly #lengths = new Int32Array(DATA_WINDOW);
  /** The peer's packets that this rank took, and how many of them the peer was told; modulo 2^24. */
  #taken = 0;
  #takenTold = 0;
  /** Bytes of the packets that were taken, and of which the peer was not told. */
  #takenBytes = 0;
  /** Credit packets, in the same way; modulo 2^8. */
  #creditsSent = 0;
  #creditsAcknowledged = 0;
  #creditsTaken = 0;
  #creditsTold = 0;
  #returning = 0;
  #returningTold = 0;

  constructor(windowBytes: number) {
    this.#windowBytes = windowBytes;
  }

  /** Whether there is room for one more packet of the protocols. */
  hasRoom(bytes: number): boolean {
    if (this.underWay >= DATA_WINDOW) return false;
    return this.#bytes + bytes <= this.#windowBytes;
  }

  /** Packets of the protocols that the peer has not said to have taken. */
  get underWay(): number {
    return (this.#sent - this.#acknowledged) & DATA_MASK;
  }

  sent(bytes: number): void {
    this.#lengths[this.#sent & (DATA_WINDOW - 1)] = bytes;
    this.#bytes += bytes;
    this.#sent = (this.#sent + 1) & DATA_MASK;
  }

  /** A packet of the protocols was taken, and its slot is free again. */
  took(bytes: number): void {
    this.#takenBytes += bytes;
    this.#taken = (this.#taken + 1) & DATA_MASK;
  }

  tookCredit(): void {
    this.#creditsTaken = (this.#creditsTaken + 1) & 0xff;
  }

  /** Whether the peer does not know yet that its credit came. */
  get owesAcknowledge(): boolean {
    return this.#creditsTaken !== this.#creditsTold;
  }

  returnCredit(credit: number): void {
    this.#returning = (this.#returning + credit) | 0;
  }

  /** The words of a header that is about to be sent; call {@link told} once it has been. */
  get takenWord(): number {
    return this.#taken | (this.#creditsTaken << CREDIT_SHIFT);
  }

  get returnedWord(): number {
    return this.#returning;
  }

  told(): void {
    this.#takenTold = this.#taken;
    this.#takenBytes = 0;
    this.#creditsTold = this.#creditsTaken;
    this.#returningTold = this.#returning;
  }

  sentCredit(): void {
    this.#creditsSent = (this.#creditsSent + 1) & 0xff;
  }

  /** Reads the words of a header that came. False: no correct peer says that. */
  learn(takenWord: number, returnedWord: number): boolean {
    const taken = takenWord & DATA_MASK;
    const credits = takenWord >>> CREDIT_SHIFT;
    if (((taken - this.#acknowledged) & DATA_MASK) > this.underWay) return false;
    const open = (this.#creditsSent - this.#creditsAcknowledged) & 0xff;
    if (((credits - this.#creditsAcknowledged) & 0xff) > open) return false;
    for (; this.#acknowledged !== taken; this.#acknowledged = (this.#acknowledged + 1) & DATA_MASK)
      this.#bytes -= this.#lengths[this.#acknowledged & (DATA_WINDOW - 1)];
    this.#creditsAcknowledged = credits;
    this.creditReturned = returnedWord;
    return true;
  }

  /**
   * Which packet of {@link CONTROL} should go now, or OWES_NOTHING. `sleeping`: even what is too
   * little to be worth a packet in passing.
   */
  owed(sleeping: boolean): number {
    const taken = (this.#taken - this.#takenTold) & DATA_MASK;
    const due = sleeping
      ? taken > 0 || this.#returning !== this.#returningTold
      : taken >= CREDIT_DUE || this.#takenBytes >= this.#windowBytes / 2;
    if (due && this.#creditsSent === this.#creditsAcknowledged) return CONTROL.credit;
    if (sleeping && this.owesAcknowledge) return CONTROL.acknowledge;
    return OWES_NOTHING;
  }
}
