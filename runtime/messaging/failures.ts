/** Peers that are lost: those that have left, and those that broke the protocol. */

import type { Transport } from '../../transports/transport.ts';
import { ANY_SOURCE } from '../base/constants.ts';
import { MpiError } from '../base/error.ts';
import type { MultiPacketEager } from './eager/multi.ts';
import type { Receiving } from './matching/receive.ts';
import type { Completion } from './operation.ts';
import type { Peer } from './peer.ts';
import type { Peers } from './peers.ts';
import type { Rendezvous } from './rendezvous/rendezvous.ts';

/** What it needs of the engine. */
interface FailureHost extends Completion, Peers {
  /** Whether something was sent to ourselves. */
  readonly selfInUse: boolean;
  /** Takes what has arrived; how many packets it was. */
  progress(): number;
}

export class PeerFailures {
  readonly #host: FailureHost;
  readonly #node: Transport | null;
  readonly #receiving: Receiving;
  readonly #rendezvous: Rendezvous;
  readonly #multi: MultiPacketEager;

  constructor(
    host: FailureHost,
    node: Transport | null,
    receiving: Receiving,
    rendezvous: Rendezvous,
    multi: MultiPacketEager,
  ) {
    this.#host = host;
    this.#node = node;
    this.#receiving = receiving;
    this.#rendezvous = rendezvous;
    this.#multi = multi;
  }

  onPeerError(rank: number, cause: Error): void {
    const known = cause instanceof MpiError ? cause.code : 'ERR_INTERNAL';
    const error = new MpiError(
      known,
      `rank ${rank} cannot be talked to any more: ${cause.message}`,
      {
        rank: this.#host.rank,
        peer: rank,
        cause,
      },
    );
    this.#lose(rank, error);
  }

  /** Ends what waits for ranks that have left; how many packets came in the meantime. */
  checkPeers(): number {
    if (this.#node === null) return 0;
    let gone = 0;
    for (let rank = 0; rank < this.#host.size; rank++) {
      if (rank === this.#host.rank) continue;
      const lost = this.#host.peers[rank]?.error ?? null;
      if (lost !== null) gone++;
      else if (this.#node.presence(rank) === 'left') {
        // Its last packets may have come between.
        const count = this.#host.progress();
        if (count > 0) return count;
        this.#lose(rank, this.#left(rank));
        gone++;
      }
    }
    // What a rank sends to itself may still complete a wildcard receive.
    const alone = gone === this.#host.size - 1 && gone > 0;
    if (alone && !this.#host.selfInUse) this.#failWildcards();
    return 0;
  }

  /** @throws MpiError where a peer that we work with has left */
  checkAlive(peer: Peer): void {
    if (peer.error === null && this.#node?.presence(peer.rank) === 'left')
      throw this.#left(peer.rank);
  }

  #left(rank: number): MpiError {
    return new MpiError(
      'ERR_PEER_FAILED',
      `rank ${rank} has left (MPI.finalize) while rank ${this.#host.rank} still waits for it`,
      { rank: this.#host.rank, peer: rank },
    );
  }

  #lose(rank: number, error: MpiError): void {
    const peer = this.#host.contact(rank);
    if (peer.error !== null) return;
    this.#abandon(peer, error);
    // A wildcard receive may still be served by others, unless the peer broke the protocol.
    const wildcards = error.code !== 'ERR_PEER_FAILED';
    for (const request of this.#receiving.withdraw(rank, wildcards))
      this.#host.fail(request, error);
  }

  /** Ends what was sent to a peer, and what is coming from it. */
  #abandon(peer: Peer, error: MpiError): void {
    for (const request of peer.lose(error)) this.#host.fail(request, error);
    for (const request of this.#receiving.abandon(peer)) this.#host.fail(request, error);
    this.#rendezvous.abandon(peer, error);
    this.#multi.abandon(peer, error);
  }

  #failWildcards(): void {
    const error = new MpiError(
      'ERR_PEER_FAILED',
      `rank ${this.#host.rank} waits for a message from any rank, but all others have left`,
      { rank: this.#host.rank },
    );
    for (const request of this.#receiving.withdraw(ANY_SOURCE, true))
      this.#host.fail(request, error);
  }

  /** Whoever still awaits an operation learns that it never ends. */
  giveUp(): void {
    const error = new MpiError(
      'ERR_PENDING',
      `MPI.finalize() on rank ${this.#host.rank} ended this operation, which nothing had completed`,
      { rank: this.#host.rank },
    );
    for (const peer of this.#host.peers) if (peer !== undefined) this.#abandon(peer, error);
    for (const request of this.#receiving.withdraw(null, true)) this.#host.fail(request, error);
  }
}
