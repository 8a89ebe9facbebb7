/**
 * Small messages of one context that came before their receives, with nothing else kept: a row, in the order of
 * their arrival. A receive that fits the first one takes it, so a program that receives in the order of sending
 * needs no matching, and no object for each message. As soon as a receive, a probe or a larger message asks for
 * more, all go into their bins.
 */
import type { Noncontiguous, Packet } from '../../../transports/transport.ts';
import { ANY_SOURCE, ANY_TAG } from '../../base/constants.ts';
import { putPart } from '../body.ts';
import type { Context, Unsorted } from './context.ts';

/** Bytes that a row holds: for each message 16, and its body. */
export const ROW_BYTES = 32 * 1024;

/** An entry's words; the body lies behind them. */
const SOURCE = 0;
const TAG = 1;
const LENGTH = 2;
const HEADER_BYTES = 16;

/** Gets the messages, in their order, when they go into bins. */
type Sort = (
  context: Context,
  source: number,
  tag: number,
  bytes: Uint8Array,
  at: number,
  length: number,
) => void;

export class MessageRow implements Unsorted {
  readonly #sort: Sort;
  #context: Context | null = null;
  #words = new Int32Array(0);
  #bytes = new Uint8Array(0);
  /** Bytes taken, and bytes put. */
  #first = 0;
  #end = 0;

  constructor(sort: Sort) {
    this.#sort = sort;
  }

  /** Whether a message of so many bytes can stand behind the others; else it has to go into a bin. */
  admits(context: Context, length: number): boolean {
    if (this.#end + placeOf(length) > ROW_BYTES) return false;
    if (context.row !== null) return true;
    return this.#context === null && context.sorted.count === 0;
  }

  /** Keeps the message of a packet, which it {@link admits}. */
  keep(context: Context, source: number, packet: Packet): void {
    if (context.row === null) this.#begin(context);
    const { length } = packet;
    const at = this.#end;
    const words = this.#words;
    words[(at >>> 2) + SOURCE] = source;
    words[(at >>> 2) + TAG] = packet.tag;
    words[(at >>> 2) + LENGTH] = length;
    if (length > 0) packet.copyTo(this.#bytes, at + HEADER_BYTES);
    this.#end = at + placeOf(length);
  }

  #begin(context: Context): void {
    this.#context = context;
    context.row = this;
    context.sorted.count++;
    if (this.#words.length > 0) return;
    this.#bytes = new Uint8Array(ROW_BYTES);
    this.#words = new Int32Array(this.#bytes.buffer);
  }

  /** Whether the first message is the one for a receive of (source, tag) with so much room. */
  fits(source: number, tag: number, room: number): boolean {
    const words = this.#words;
    const at = this.#first >>> 2;
    if (words[at + SOURCE] !== source && source !== ANY_SOURCE) return false;
    if (words[at + TAG] !== tag && tag !== ANY_TAG) return false;
    return words[at + LENGTH] <= room;
  }

  get source(): number {
    return this.#words[(this.#first >>> 2) + SOURCE];
  }

  get tag(): number {
    return this.#words[(this.#first >>> 2) + TAG];
  }

  /** Copies the first message's body to where it belongs, and forgets it; its length. */
  take(bytes: Uint8Array, noncontiguous: Noncontiguous | null): number {
    const at = this.#first;
    const length = this.#words[(at >>> 2) + LENGTH];
    if (length > 0) putPart(bytes, noncontiguous, this.#bytes, at + HEADER_BYTES, length);
    this.#first = at + placeOf(length);
    if (this.#first === this.#end) this.#clear();
    return length;
  }

  sort(): void {
    const context = this.#context as Context;
    const [first, end] = [this.#first, this.#end];
    this.#clear();
    const words = this.#words;
    for (let at = first; at < end; ) {
      const word = at >>> 2;
      const length = words[word + LENGTH];
      this.#sort(
        context,
        words[word + SOURCE],
        words[word + TAG],
        this.#bytes,
        at + HEADER_BYTES,
        length,
      );
      at += placeOf(length);
    }
  }

  #clear(): void {
    const context = this.#context as Context;
    context.row = null;
    context.sorted.count--;
    this.#context = null;
    this.#first = 0;
    this.#end = 0;
  }
}

/** Bytes that a message takes in a row. */
function placeOf(length: number): number {
  return HEADER_BYTES + ((length + 7) & -8);
}
