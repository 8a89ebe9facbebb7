/** The way to one peer: packets in their order, and reads and writes of the peer's memory. */
import { constants } from 'node:os';
import { OFI_OPERATIONS, type OfiAddon, REQUEST } from '../../../native/ofi.ts';
import { MpiError } from '../../../runtime/base/error.ts';
import type { PacketArea, PacketQueue, Result } from '../../packets/ports.ts';
import { ALIGNMENT, ENVELOPE, NUMBER_MASK, OFI_ENVELOPE_BYTES, PADDING_SHIFT } from '../layout.ts';

const { EAGAIN, ECANCELED } = constants.errno;

/** Operations of an endpoint that are under way, by number. */
export class Operations {
  readonly #ends: (((error: number) => void) | null)[] = new Array(OFI_OPERATIONS).fill(null);
  readonly #free = Array.from({ length: OFI_OPERATIONS }, (_, number) => number);

  /** -1: there are too many. */
  begin(end: (error: number) => void): number {
    const number = this.#free.pop() ?? -1;
    if (number >= 0) this.#ends[number] = end;
    return number;
  }

  cancel(number: number): void {
    this.#ends[number] = null;
    this.#free.push(number);
  }

  end(number: number, error: number): void {
    const end = this.#ends[number];
    if (end === null || end === undefined) return;
    this.cancel(number);
    end(error);
  }
}

/** What all queues of an endpoint share. */
export interface QueueSite {
  readonly native: OfiAddon;
  readonly id: number;
  readonly rank: number;
  readonly name: string;
  readonly injectBytes: number;
  readonly operations: Operations;
  /** The words of the memory that packets leave from. */
  readonly words: Int32Array;
  left(queue: OfiQueue): void;
}

/** Packets and operations of a queue under way. */
const DEPTH = 32;

export class OfiQueue implements PacketQueue {
  readonly depth = DEPTH - 1;
  readonly inlineBytes: number;
  posted = 0;
  completed = 0;
  owner: unknown = null;
  onError: (error: Error) => void = () => {};
  /** Of the packets that go, and of those that come; null: the peer is not known to be our peer. */
  token: Int32Array | null = null;
  peerToken: Int32Array | null = null;
  /** Upper half of the keys of the peer's memory. */
  keyHigh = 0;
  readonly rank: number;
  readonly peer: number;
  readonly #site: QueueSite;
  readonly #where: string;
  readonly #over = new Uint8Array(DEPTH);
  readonly #request = new Float64Array(REQUEST.words);
  /** Numbers of packets, modulo 2^24. */
  #sent = 0;
  #came = 0;
  closed = false;

  /**
   * @param peer the peer's number at the endpoint
   * @param where the peer's address, for messages
   */
  constructor(site: QueueSite, rank: number, peer: number, where: string) {
    this.#where = where;
    this.#site = site;
    this.rank = rank;
    this.peer = peer;
    this.inlineBytes = site.injectBytes - OFI_ENVELOPE_BYTES - ALIGNMENT;
  }

  send(area: PacketArea, offset: number, length: number, inline: boolean, signal = false): number {
    if (this.closed || this.token === null) return -ECANCELED;
    if (((this.posted - this.completed) | 0) >= this.depth) return -EAGAIN;
    const { native, id, rank, words, operations } = this.#site;
    const padding = -length & (ALIGNMENT - 1);
    const at = (offset - OFI_ENVELOPE_BYTES) >> 2;
    words[at + ENVELOPE.token] = this.token[0];
    words[at + ENVELOPE.token + 1] = this.token[1];
    words[at + ENVELOPE.from] = rank;
    words[at + ENVELOPE.number] = this.#sent | (padding << PADDING_SHIFT);
    const number = this.posted;
    // The last packet of a connection: its end is told when the peer has it.
    const delivered = inline && signal;
    const told = !inline || delivered;
    const operation = told ? operations.begin((error) => this.#ended(number, error)) : -1;
    if (told && operation < 0) return -EAGAIN;
    const bytes = OFI_ENVELOPE_BYTES + length + padding;
    const start = offset - OFI_ENVELOPE_BYTES;
    const answer = native.ofiSend(
      id,
      this.peer,
      area.index,
      start,
      bytes,
      operation,
      delivered ? 1 : 0,
    );
    if (answer !== 0) {
      if (told) operations.cancel(operation);
      return answer;
    }
    this.#sent = (this.#sent + 1) & NUMBER_MASK;
    this.posted = (this.posted + 1) | 0;
    if (!told) this.#settle(number);
    return 0;
  }

  /** fi_read into, or fi_write from, [address, address + length) of a region. */
  rma(
    kind: 'read' | 'write',
    region: number,
    address: number,
    length: number,
    remote: number,
    remoteKey: number,
    done: Result,
  ): number {
    if (this.closed) return -ECANCELED;
    if (((this.posted - this.completed) | 0) >= this.depth) return -EAGAIN;
    const { native, id, operations } = this.#site;
    const number = this.posted;
    const operation = operations.begin((error) => {
      this.#settle(number);
      if (error !== 0) this.#fell(error);
      done(error === 0 ? length : -error);
    });
    if (operation < 0) return -EAGAIN;
    const request = this.#request;
    request[REQUEST.write] = kind === 'write' ? 1 : 0;
    request[REQUEST.peer] = this.peer;
    request[REQUEST.region] = region;
    request[REQUEST.address] = address;
    request[REQUEST.length] = length;
    request[REQUEST.remote] = remote;
    request[REQUEST.keyLow] = remoteKey >>> 0;
    request[REQUEST.keyHigh] = this.keyHigh;
    request[REQUEST.operation] = operation;
    const answer = native.ofiRma(id, request);
    if (answer !== 0) operations.cancel(operation);
    else this.posted = (this.posted + 1) | 0;
    return answer;
  }

  /** Whether a packet is the next one of this connection. */
  takes(words: Int32Array, at: number): boolean {
    const { peerToken } = this;
    if (peerToken === null || this.closed) return false;
    const [low, high] = peerToken;
    if (words[at + ENVELOPE.token] !== low || words[at + ENVELOPE.token + 1] !== high) return false;
    const number = words[at + ENVELOPE.number] & NUMBER_MASK;
    if (number !== this.#came) {
      this.onError(
        new MpiError(
          'ERR_PEER_FAILED',
          `${this.#site.name}: packets from ${this.#where} were lost`,
        ),
      );
      return false;
    }
    this.#came = (this.#came + 1) & NUMBER_MASK;
    return true;
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.#site.left(this);
  }

  #ended(number: number, error: number): void {
    this.#settle(number);
    if (error !== 0) this.#fell(error);
  }

  #fell(errno: number): void {
    if (this.closed) return;
    const text = `${this.#site.name}: the connection with ${this.#where} broke`;
    this.onError(new MpiError('ERR_PEER_FAILED', text, { errno }));
  }

  #settle(number: number): void {
    this.#over[number & (DEPTH - 1)] = 1;
    while (this.completed !== this.posted || number === this.posted) {
      const place = this.completed & (DEPTH - 1);
      if (this.#over[place] === 0) return;
      this.#over[place] = 0;
      this.completed = (this.completed + 1) | 0;
      if (this.completed === this.posted) return;
    }
  }
}
