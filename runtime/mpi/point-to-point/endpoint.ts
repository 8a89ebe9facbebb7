/**
 * What point-to-point operations need of a communicator: its contexts, and the ranks that it addresses.
 * It is one class for all kinds of communicators, so that the fast paths see one shape of object.
 */
import { ANY_SOURCE } from '../../base/constants.ts';
import type { Engine } from '../../messaging/engine.ts';
import type { Context } from '../../messaging/matching/context.ts';
import type { Peer } from '../../messaging/peer.ts';
import { RequestPool } from './request-pool.ts';
import type { Owner } from './started-request.ts';

/** Contexts that a communicator has: one for the program's messages, one for the library's own. */
export const CONTEXTS_EACH = 2;

export class Endpoint implements Owner {
  readonly engine: Engine;
  /** Of the program's messages; the next one is the library's. */
  readonly context: number;
  /** This process's rank in its own group, for errors. */
  readonly rank: number;
  /** How many ranks can be addressed: those of the group, of an intercommunicator those of the remote group. */
  readonly size: number;
  readonly pool: RequestPool;
  /** The program's messages. */
  readonly messages: Context;
  /** Probes that do not wait, by their patterns: posted so that messages are sought at their senders. */
  readonly sought = new Map<string, { readonly state: number }>();
  /** Probes that did not wait, and found nothing. */
  looks = 0;
  /** World ranks by rank; null: the same. */
  readonly #group: readonly number[] | null;
  /** Ranks by world rank, from the first question on. */
  #ranks: Map<number, number> | null = null;
  readonly #alive: () => void;

  /**
   * @param group world ranks of those that can be addressed; null: all of the world
   * @param alive throws where the communicator may not be used any more
   */
  constructor(
    engine: Engine,
    context: number,
    group: readonly number[] | null,
    rank: number,
    alive: () => void,
  ) {
    this.engine = engine;
    this.context = context;
    this.rank = rank;
    this.size = group === null ? engine.size : group.length;
    this.#group = group;
    this.#alive = alive;
    this.messages = engine.receiving.openContext(context);
    engine.receiving.openContext(context + 1);
    this.pool = new RequestPool(this, context);
  }

  /** @throws MpiError where it may not be used any more */
  checkAlive(): void {
    this.#alive();
  }

  /** The rank of a rank of the world, which the wire knows; -1: it has none. */
  rankOf(world: number): number {
    if (this.#group === null) return world;
    this.#ranks ??= new Map(this.#group.map((each, rank) => [each, rank]));
    return this.#ranks.get(world) ?? -1;
  }

  /** Of a wildcard, too: where there is one rank alone, any source is this one. */
  worldOf(rank: number): number {
    if (rank === ANY_SOURCE && this.size === 1) return this.#group === null ? 0 : this.#group[0];
    return this.#group === null || rank < 0 ? rank : this.#group[rank];
  }

  /** What is known of a rank; undefined before the first contact, and for what is no rank. */
  peerOf(rank: number): Peer | undefined {
    // '1', [1] and 'length' name properties as well.
    if (typeof rank !== 'number') return undefined;
    const { peers } = this.engine;
    return this.#group === null ? peers[rank] : peers[this.#group[rank]];
  }
}
