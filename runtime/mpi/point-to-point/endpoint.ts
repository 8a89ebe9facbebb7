/**
 * What point-to-point operations need of a communicator: its contexts, and the ranks that it addresses.
 * It is one class for all kinds of communicators, so that the fast paths see one shape of object.
 */
import { ANY_SOURCE } from '../../base/constants.ts';
import { MpiError } from '../../base/error.ts';
import type { ContextPair, Members } from '../../messaging/contexts/pair.ts';
import type { Engine } from '../../messaging/engine.ts';
import type { Context } from '../../messaging/matching/context.ts';
import type { Peer } from '../../messaging/peer.ts';
import { TIMEOUT_MS_MAX } from '../../messaging/waiting.ts';
import type { Session } from '../session.ts';
import type { Request } from './request.ts';
import { RequestPool } from './request-pool.ts';
import type { Owner } from './started-request.ts';

export class Endpoint implements Owner {
  readonly engine: Engine;
  /** The number of the program's messages in what this rank sends; the next one is the library's. */
  readonly context: number;
  /** Null: the world's contexts, which every rank knows from the start. */
  readonly pair: ContextPair | null;
  /** This process's rank in its own group, for errors. */
  readonly rank: number;
  /** Those who can be addressed: the group's ranks, of an intercommunicator the remote group's. */
  readonly members: Members;
  readonly size: number;
  /** What errors and tables call the communicator. */
  name = 'a communicator';
  readonly pool: RequestPool;
  /** The program's messages. */
  readonly messages: Context;
  /** The library's. */
  readonly library: Context;
  /** The longest that a wait takes, in whole milliseconds. */
  timeout = TIMEOUT_MS_MAX;
  /** Buffered sends that have not left, or have failed. */
  readonly buffered = new Set<Request>();
  /** Probes that do not wait, by their patterns: posted so that messages are sought at their senders. */
  readonly sought = new Map<string, { readonly state: number }>();
  /** Probes that did not wait, and found nothing. */
  looks = 0;
  readonly #to: (Peer | undefined)[];
  readonly #from: (Peer | undefined)[];
  /** What senders call the program's context; null: all as we do. */
  readonly #numbers: Int32Array | null;
  readonly session: Session;
  /** The program has freed the communicator. */
  freed = false;
  /** It lives as long as the job: MPI.world, MPI.self. */
  permanent = false;

  /** @param pair null for the world */
  constructor(
    engine: Engine,
    pair: ContextPair | null,
    members: Members,
    rank: number,
    session: Session,
  ) {
    const { contexts } = engine.receiving;
    this.engine = engine;
    this.pair = pair;
    this.context = pair?.id ?? 0;
    this.rank = rank;
    this.members = members;
    this.size = members.size;
    this.session = session;
    this.messages = pair?.program ?? contexts.openFixed(0);
    this.library = pair?.library ?? contexts.openFixed(1);
    this.#to = pair?.to ?? engine.peers;
    this.#from = pair?.from ?? engine.peers;
    this.#numbers = pair?.numbers ?? null;
    this.pool = new RequestPool(this, this.context);
  }

  /** @throws MpiError where it may not be used any more */
  checkAlive(): void {
    this.session.checkAlive();
    if (this.freed)
      throw new MpiError(
        'ERR_CLOSED',
        'a communicator was used after free(): what was started before goes on, but nothing new can begin',
        { rank: this.rank },
      );
  }

  /** Something begins that will start further messages, after the program has freed the communicator as well. */
  beginUse(): void {
    if (this.pair !== null) this.pair.uses++;
  }

  endUse(): void {
    if (this.pair !== null) this.pair.uses--;
  }

  /** The rank of a rank of the world, which the wire knows; -1: it has none. */
  rankOf(world: number): number {
    return this.members.rankOf(world);
  }

  /** Of a wildcard, too: where there is one rank alone, any source is this one. */
  worldOf(rank: number): number {
    if (rank === ANY_SOURCE && this.size === 1) return this.members.worldOf(0);
    return rank < 0 ? rank : this.members.worldOf(rank);
  }

  /** Whom a small message may be sent to at once; undefined before the first one, and for what is no rank. */
  peerTo(rank: number): Peer | undefined {
    // '1', [1] and 'length' name properties as well.
    return typeof rank === 'number' ? this.#to[rank] : undefined;
  }

  /** Whom a small message may be taken from at once; undefined before it has sent one, and for what is no rank. */
  peerFrom(rank: number): Peer | undefined {
    return typeof rank === 'number' ? this.#from[rank] : undefined;
  }

  /** What a sender, which {@link peerFrom} knows, calls the context of the program's messages. */
  contextFrom(rank: number): number {
    return this.#numbers === null ? this.context : this.#numbers[rank];
  }
}
