/** What all schemes have in common: the tables of transfers, and how a transfer ends at either end. */
import type { RemoteAccess } from '../../../transports/transport.ts';
import { EXTENSION_WORDS } from '../../../transports/transport.ts';
import { now } from '../../base/clock.ts';
import { MpiError } from '../../base/error.ts';
import type { Completion } from '../completion.ts';
import type { Output } from '../output.ts';
import type { Peer } from '../peer.ts';
import {
  ASK_WORD,
  CANCEL,
  CONFIRM,
  CONFIRMED,
  CTS,
  CTS_HOW_MASK,
  CTS_KIND_SHIFT,
  CTS_WORD,
  FIN,
} from '../wire.ts';
import type { RendezvousScheme } from './cost-model.ts';
import type { Offer } from './offer.ts';
import type { SchemeSelection } from './select.ts';
import { type IncomingTransfer, type OutgoingTransfer, TransferTable } from './table.ts';

/** How many large messages went by each scheme. */
export type SchemeCounts = Record<RendezvousScheme, number>;

/** Large messages that came to their end, by the transport's name. */
export type MessageCounts = Record<string, { sent: SchemeCounts; received: SchemeCounts }>;

export class Transfers {
  readonly outgoing = new TransferTable<OutgoingTransfer>();
  readonly incoming = new TransferTable<IncomingTransfer>();
  readonly counts: MessageCounts = {};
  readonly completion: Completion;
  readonly output: Output;
  readonly selection: SchemeSelection;
  /** Offers that hold registered memory and are not answered. */
  exportedOffers = 0;

  constructor(completion: Completion, output: Output, selection: SchemeSelection) {
    this.completion = completion;
    this.output = output;
    this.selection = selection;
  }

  #count({ channel }: Peer, direction: 'sent' | 'received', scheme: RendezvousScheme): void {
    const none = () => ({ copy: 0, get: 0, put: 0, share: 0 });
    this.counts[channel.transport] ??= { sent: none(), received: none() };
    this.counts[channel.transport][direction][scheme]++;
  }

  // ---- the receiver's end

  /** Asks the sender by a CTS for one of COPY, GET, PUT, SHARE; `put` adds what that needs. */
  ask(transfer: IncomingTransfer, how: number, put: (words: Int32Array) => void = nothing): void {
    const words = new Int32Array(EXTENSION_WORDS);
    words[CTS_WORD.transfer] = transfer.sender;
    words[CTS_WORD.receiver] = transfer.id;
    words[CTS_WORD.how] = how;
    put(words);
    this.output.sendControl(transfer.peer, CTS, 0, words);
  }

  /** A packet that the sender answers under our id. */
  askBack({ peer, sender, id }: IncomingTransfer, kind: number): void {
    const words = new Int32Array(EXTENSION_WORDS);
    words[ASK_WORD.receiver] = id;
    this.output.sendControl(peer, kind, sender, words);
  }

  /** Everything was read from the sender's memory. */
  read(transfer: IncomingTransfer): void {
    if (transfer.held) {
      this.output.sendControl(transfer.peer, FIN, transfer.sender);
      this.received(transfer);
      return;
    }
    // A buffer may have become another's meanwhile: what was read of it then is not the message.
    transfer.asked = true;
    this.askBack(transfer, CONFIRM);
  }

  /** The sender's buffer was whole after we had read it. */
  onConfirmed(peer: Peer, id: number): void {
    const transfer = this.incoming.find(id, peer);
    if (!transfer.asked)
      throw new MpiError('ERR_PROTOCOL', 'a peer confirms a message without being asked');
    this.received(transfer);
  }

  /** The message is there. */
  received(transfer: IncomingTransfer): void {
    const { request, peer, tag, length, scheme, started, ahead } = transfer;
    this.incoming.remove(transfer);
    if (started > 0) this.selection.record(peer, scheme, length, now() - started + ahead);
    const error = this.completion.refusal(request, peer.rank, tag, length);
    if (error !== null) this.completion.fail(request, error);
    else {
      this.#count(peer, 'received', scheme);
      this.completion.complete(request, peer.rank, tag, length);
    }
  }

  /** We want no more of a message; of one that came whole the sender knows nothing any more. */
  refuse(peer: Peer, offer: Offer): void {
    if (offer.firstBytes < offer.length || offer.synchronous)
      this.output.sendControl(peer, FIN, offer.transfer);
  }

  /** Fails a receive, not before nothing touches its buffer any more. */
  failReceive(transfer: IncomingTransfer, error: MpiError): void {
    const { pipeline, request, peer, share } = transfer;
    this.incoming.remove(transfer);
    transfer.exported?.close();
    if (share !== null) peer.channel.revoke(share.own);
    if (pipeline === null) this.completion.fail(request, error);
    else pipeline.abandon(() => this.completion.fail(request, error));
  }

  /** The sender's buffer is gone. */
  onCancel(peer: Peer, id: number): void {
    const transfer = this.incoming.find(id, peer);
    const { exported, share, length, tag } = transfer;
    if (exported !== null || share !== null)
      throw new MpiError('ERR_PROTOCOL', 'a peer cancelled a message that it still writes');
    const message = `rank ${peer.rank} took its buffer away while a message of ${length} bytes was on its way`;
    this.failReceive(transfer, new MpiError('ERR_BUFFER', message, { peer: peer.rank, tag }));
  }

  // ---- the sender's end

  /** The offer is answered: what it holds is no longer held for nobody. */
  answered(transfer: OutgoingTransfer): void {
    if (transfer.holdsRegistration) this.exportedOffers--;
    transfer.holdsRegistration = false;
  }

  /** The receiver has all, or wants no more. */
  onFin(peer: Peer, id: number): void {
    const transfer = this.#ended(peer, id);
    // It came along with its offer: nothing was fetched.
    if (transfer.position === transfer.request.length) transfer.scheme = 'copy';
    this.sent(transfer);
  }

  /** The receiver has read all. What it read is the message if the buffer is still whole. */
  onConfirm(peer: Peer, id: number, words: Int32Array): void {
    const transfer = this.#ended(peer, id);
    const answer = transfer.request.intact ? CONFIRMED : CANCEL;
    this.output.sendControl(peer, answer, words[ASK_WORD.receiver]);
    this.sent(transfer);
  }

  #ended(peer: Peer, id: number): OutgoingTransfer {
    const transfer = this.outgoing.find(id, peer);
    if (transfer.scheme === 'copy' || transfer.pipeline !== null || transfer.gaveUp)
      throw new MpiError('ERR_PROTOCOL', 'a peer ended a message that it had asked for');
    return transfer;
  }

  /** The send is over. */
  sent(transfer: OutgoingTransfer): void {
    const { request, peer, scheme } = transfer;
    this.outgoing.remove(transfer);
    this.selection.remember(transfer);
    this.revoke(transfer);
    const error = this.completion.refusal(request, peer.rank, request.tag, 0);
    if (error !== null) this.completion.fail(request, error);
    else {
      this.#count(peer, 'sent', scheme);
      this.completion.complete(request, peer.rank, request.tag, request.length);
    }
  }

  /** Ends all that is exported of a message. */
  revoke(transfer: OutgoingTransfer): void {
    transfer.revoke();
    this.answered(transfer);
  }

  /** Ends all transfers with a peer that is lost; none ends while its buffer is being read or written. */
  abandon(peer: Peer, error: MpiError): void {
    for (const transfer of this.outgoing.of(peer)) {
      const { pipeline, request } = transfer;
      this.outgoing.remove(transfer);
      this.revoke(transfer);
      if (pipeline === null) this.completion.fail(request, error);
      else pipeline.abandon(() => this.completion.fail(request, error));
    }
    for (const transfer of this.incoming.of(peer)) this.failReceive(transfer, error);
  }
}

/** The receiver's memory, as its CTS says. */
export function accessOf(words: Int32Array): RemoteAccess {
  return {
    kind: words[CTS_WORD.how] >>> CTS_KIND_SHIFT,
    low: words[CTS_WORD.accessLow],
    high: words[CTS_WORD.accessHigh],
    key: words[CTS_WORD.key],
    hold: null,
  };
}

export function putAccess(words: Int32Array, { kind, low, high, key }: RemoteAccess): void {
  words[CTS_WORD.how] |= kind << CTS_KIND_SHIFT;
  words[CTS_WORD.accessLow] = low;
  words[CTS_WORD.accessHigh] = high;
  words[CTS_WORD.key] = key;
}

/** What a CTS asks for. */
export const howOf = (words: Int32Array): number => words[CTS_WORD.how] & CTS_HOW_MASK;

/** For what is there when the call returns. */
export function atOnce(): never {
  throw new Error('a copy between processes that share memory ended later');
}

function nothing(): void {}
