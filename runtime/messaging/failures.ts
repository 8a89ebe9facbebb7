/** Peer failures: peers that have left, and peers that broke the protocol. */

import type { Transport } from '../../transports/transport.ts';
import { ANY_SOURCE } from '../base/constants.ts';
import { MpiError } from '../base/error.ts';
import type { Completion } from './completion.ts';
import type { MultiPacketEager } from './eager/multi.ts';
import type { Receiving } from './matching/receive.ts';
import type { Peer } from './peer.ts';
import type { Peers } from './peers.ts';
import type { Rendezvous } from './rendezvous/rendezvous.ts';
import type { SharedOperations } from './shared-operations.ts';

/** What peer failures need of the engine. */
interface FailureHost extends Peers {
  /** Whether something was sent to ourselves. */
  readonly selfInUse: boolean;
  /**
   * Takes packets that have arrived.
   * @returns how many these were
   */
  progress(): number;
}

/** Where a peer's operations are under way. */
interface Protocols {
  readonly completion: Completion;
  readonly shared: SharedOperations;
  readonly receiving: Receiving;
  readonly rendezvous: Rendezvous;
  readonly multi: MultiPacketEager;
}

export class PeerFailures {
  readonly #host: FailureHost;
  readonly #node: Transport | null;
  readonly #protocols: Protocols;
  /** Asks for failures of which no transport tells, before peers are looked at. */
  reports: (() => void) | null = null;

  constructor(host: FailureHost, node: Transport | null, protocols: Protocols) {
    this.#host = host;
    this.#node = node;
    this.#protocols = protocols;
  }

  onPeerError(rank: number, cause: Error): void {
    const known = cause instanceof MpiError ? cause.code : 'ERR_INTERNAL';
    const hint = known === 'ERR_PROTOCOL' ? '; do all ranks run the same version of dreg-mpi?' : '';
    const error = new MpiError(
      known,
      `rank ${rank} cannot be talked to any more: ${cause.message}${hint}`,
      {
        rank: this.#host.rank,
        peer: rank,
        cause,
      },
    );
    this.#lose(rank, error);
  }

  /**
   * Ends operations that wait for ranks that have left.
   * @returns how many packets came in the meantime
   */
  checkPeers(): number {
    this.reports?.();
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
    // A message of this rank to itself may still complete a wildcard receive.
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
      `rank ${rank} has left (MPI.finalize) while rank ${this.#host.rank} still waits for it: does each send have its receive?`,
      { rank: this.#host.rank, peer: rank },
    );
  }

  #lose(rank: number, error: MpiError): void {
    const peer = this.#host.contact(rank);
    if (peer.error !== null) return;
    this.#abandon(peer, error);
    // Other ranks may still serve a wildcard receive, unless the peer broke the protocol.
    const wildcards = error.code !== 'ERR_PEER_FAILED';
    for (const request of this.#protocols.receiving.withdraw(rank, wildcards))
      this.#protocols.completion.fail(request, error);
    this.#protocols.shared.lost(rank, error);
  }

  /** Ends sends to a peer, and receives of messages that are coming from it. */
  #abandon(peer: Peer, error: MpiError): void {
    for (const request of peer.lose(error)) this.#protocols.completion.fail(request, error);
    for (const request of this.#protocols.receiving.abandon(peer))
      this.#protocols.completion.fail(request, error);
    this.#protocols.rendezvous.abandon(peer, error);
    this.#protocols.multi.abandon(peer, error);
  }

  #failWildcards(): void {
    const error = new MpiError(
      'ERR_PEER_FAILED',
      `rank ${this.#host.rank} waits for a message from any rank, but all other ranks have left: does each receive have its send?`,
      { rank: this.#host.rank },
    );
    for (const request of this.#protocols.receiving.withdraw(ANY_SOURCE, true))
      this.#protocols.completion.fail(request, error);
  }

  /** The program learns that an operation that it still awaits never ends. */
  giveUp(): void {
    const error = new MpiError(
      'ERR_PENDING',
      `MPI.finalize() on rank ${this.#host.rank} ended this operation, which never completed: does each send have its receive?`,
      { rank: this.#host.rank },
    );
    this.#protocols.shared.end(error);
    for (const peer of this.#host.peers) if (peer !== undefined) this.#abandon(peer, error);
    for (const request of this.#protocols.receiving.withdraw(null, true))
      this.#protocols.completion.fail(request, error);
  }
}
