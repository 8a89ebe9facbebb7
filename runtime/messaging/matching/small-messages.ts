/**
 * Small messages that came before their receives. While nothing else is kept, those of a context stand in a row
 * ({@link MessageRow}); else each is an object in the bins of its context, with its body in a slot.
 */
import type { Packet } from '../../../transports/transport.ts';
import { lengthOf } from '../../base/bytes.ts';
import type { Completion } from '../completion.ts';
import { ONE_MESSAGE } from '../flow/credit.ts';
import type { KeptCredit } from '../flow/kept-credit.ts';
import type { Operation, Taken } from '../operation.ts';
import type { Peer } from '../peer.ts';
import type { Peers } from '../peers.ts';
import { type Context, UnexpectedMessagePool } from './context.ts';
import { KeptBodies, SLOT_BYTES_MAX } from './kept-bodies.ts';
import { MessageRow } from './row.ts';

export class SmallMessages {
  readonly #peers: Peers;
  readonly #completion: Completion;
  readonly #credit: KeptCredit;
  readonly bodies: KeptBodies = new KeptBodies();
  readonly pool: UnexpectedMessagePool = new UnexpectedMessagePool();
  readonly #row = new MessageRow((context, source, tag, bytes, at, length) => {
    const message = this.pool.borrow(source, tag, ONE_MESSAGE);
    message.length = length;
    if (length > 0) this.bodies.putBytes(bytes, at, length, message);
    context.sorted.add(message);
  });

  constructor(peers: Peers, completion: Completion, credit: KeptCredit) {
    this.#peers = peers;
    this.#completion = completion;
    this.#credit = credit;
  }

  /** Keeps a message in the row; false: it is none of those, and has to be kept otherwise. */
  keep(peer: Peer, packet: Packet, context: Context): boolean {
    if (packet.length > SLOT_BYTES_MAX || context.calls !== null) return false;
    const row = this.#row;
    if (!row.admits(context, packet.length)) return false;
    this.#credit.charge(peer, context.flow, ONE_MESSAGE);
    row.keep(context, peer.rank, packet);
    return true;
  }

  /** Gives the first message of a context's row to a receive; false: it does not fit. */
  give(request: Operation, { flow }: Context): boolean {
    const row = this.#row;
    if (!row.fits(request.peer, request.tag, request.length) || !request.intact) return false;
    const { source, tag } = row;
    const length = row.take(request.bytes, request.noncontiguous);
    this.#credit.discharge(this.#peers.contact(source), flow, ONE_MESSAGE);
    this.#completion.complete(request, source, tag, length);
    return true;
  }

  /**
   * Gives a message to a blocking receive from its sender, without a request; false: it takes one.
   */
  take(peer: Peer, context: Context, tag: number, bytes: Uint8Array, status: Taken): boolean {
    // Receives that are held back were posted before.
    if (context.apart > 0) return false;
    const room = lengthOf(bytes);
    const row = this.#row;
    if (context.row === null || !row.fits(peer.rank, tag, room))
      return this.#takeFromBins(peer, context, tag, bytes, status);
    status.tag = row.tag;
    status.byteLength = row.take(bytes, null);
    this.#credit.discharge(peer, context.flow, ONE_MESSAGE);
    return true;
  }

  #takeFromBins(
    peer: Peer,
    { unexpected, flow }: Context,
    tag: number,
    bytes: Uint8Array,
    status: Taken,
  ): boolean {
    const message = unexpected.peek(peer.rank, tag);
    if (message === null || message.chunk === null || message.length > lengthOf(bytes))
      return false;
    if (message.offer !== null) return false;
    unexpected.remove(message);
    this.#credit.discharge(peer, flow, message.charge);
    this.bodies.take(message, message.length, { bytes, noncontiguous: null });
    status.tag = message.tag;
    status.byteLength = message.length;
    this.pool.giveBack(message);
    return true;
  }
}
