/** The scheme *share*: each end reaches the other's buffer, and both copy, piece by piece. */
import { ACCESS_NONE, newRemoteAccess } from '../../../transports/transport.ts';
import { MpiError } from '../../base/error.ts';
import type { Peer } from '../peer.ts';
import { ASK_WORD, CTS_WORD, FIN, SHARE, SHARE_ASK, SHARED } from '../wire.ts';
import type { CopyFirst, Offer } from './offer.ts';
import { helpCopy, SHARED_COPY_MIN, SharedCopies } from './shared-copy.ts';
import type { IncomingTransfer, OutgoingTransfer, SharedReceive } from './table.ts';
import { accessOf, atOnce, putAccess, type Transfers } from './transfers.ts';

export class ShareScheme {
  readonly #transfers: Transfers;
  /** Copies that we receive, by peer. */
  readonly #copies = new Map<Peer, SharedCopies>();

  constructor(transfers: Transfers) {
    this.#transfers = transfers;
  }

  // ---- the receiver's end

  /**
   * The sender's help is welcome, not needed: what it does not claim we copy. False: the sender cannot
   * help now, or it is not worth asking.
   */
  begin(transfer: IncomingTransfer, offer: Offer, copyFirst: CopyFirst): boolean {
    const { firstPiece: first } = offer;
    const share = this.#open(transfer, offer);
    if (share === null) return false;
    transfer.share = share;
    this.#transfers.ask(transfer, SHARE, (words) => {
      putAccess(words, share.own);
      words[CTS_WORD.generation] = share.copies.generation;
    });
    if (first > 0) copyFirst(transfer.request);
    try {
      share.copies.copy(share.pull);
    } catch (error) {
      share.error = error as MpiError;
    }
    // The sender may be within a piece. Whether it goes on is not for us to wait for here: it may be
    // stopped. The buffer goes back when it has said that it does not touch it any more.
    if (share.copies.settles()) this.#ended(transfer, share);
    else this.#transfers.askBack(transfer, SHARE_ASK);
    return true;
  }

  #open({ peer, request }: IncomingTransfer, offer: Offer): SharedReceive | null {
    const { channel } = peer;
    const { firstPiece: first, access } = offer;
    const length = offer.length - first;
    const copies = this.#copiesWith(peer);
    if (copies === null || length < SHARED_COPY_MIN / 2) return null;
    const own = newRemoteAccess();
    if (!channel.exportMemory(request.bytes, 0, offer.length, 'push', own)) return null;
    if (!copies.open(length)) {
      channel.revoke(own);
      return null;
    }
    const pull = (at: number, bytes: number) => {
      channel.pull(access, first + at, request.bytes, first + at, bytes, atOnce);
    };
    return { copies, own, pull, length, error: null };
  }

  #copiesWith(peer: Peer): SharedCopies | null {
    const { inboundClaims } = peer.channel;
    if (inboundClaims === null) return null;
    let copies = this.#copies.get(peer);
    if (copies === undefined) {
      copies = new SharedCopies(inboundClaims);
      this.#copies.set(peer, copies);
    }
    return copies;
  }

  onShared(peer: Peer, id: number): void {
    const transfer = this.#transfers.incoming.find(id, peer);
    const { share } = transfer;
    if (share === null)
      throw new MpiError('ERR_PROTOCOL', 'a peer has left a copy that was not shared with it');
    this.#ended(transfer, share);
  }

  /** Nobody works on a piece any more. */
  #ended(transfer: IncomingTransfer, share: SharedReceive): void {
    const { peer, request, sender } = transfer;
    const { copies, own, pull, length } = share;
    transfer.share = null;
    peer.channel.revoke(own);
    try {
      const broken = copies.close();
      if (share.error !== null) throw share.error;
      if (broken && request.intact) pull(0, length);
    } catch (error) {
      // As with any message of which a part cannot be had.
      this.#transfers.output.sendControl(peer, FIN, sender);
      this.#transfers.failReceive(transfer, error as MpiError);
      return;
    }
    this.#transfers.read(transfer);
  }

  // ---- the sender's end

  onCts(transfer: OutgoingTransfer, id: number, words: Int32Array): void {
    const { peer, access, request, position } = transfer;
    const claims = peer.channel.outboundClaims;
    if (claims === null || access.kind === ACCESS_NONE)
      throw new MpiError(
        'ERR_PROTOCOL',
        'a peer asked to share a copy of memory that is not exported',
      );
    const to = accessOf(words);
    transfer.scheme = 'share';
    transfer.receiver = id;
    const copy = (at: number, count: number) => {
      const from = position + at;
      peer.channel.push(to, from, request.bytes, from, count, atOnce);
    };
    try {
      helpCopy(claims, words[CTS_WORD.generation], request.length - position, copy);
    } catch (error) {
      // What we cannot copy the receiver fetches: the claim is marked as broken.
      if ((error as MpiError).code === 'ERR_PROTOCOL') throw error;
    }
  }

  /** What comes after the CTS of a shared copy finds us out of it. */
  onShareAsk(peer: Peer, id: number, words: Int32Array): void {
    const transfer = this.#transfers.outgoing.find(id, peer);
    if (transfer.scheme !== 'share')
      throw new MpiError('ERR_PROTOCOL', 'a peer asks for the end of a copy that is not shared');
    this.#transfers.output.sendControl(peer, SHARED, words[ASK_WORD.receiver]);
  }
}
