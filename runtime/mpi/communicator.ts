/** Communicators (MPI 4.1, 7): a group of ranks and a context in which their messages match. */
import { inWords } from '../base/bytes.ts';
import { MpiError } from '../base/error.ts';
import type { ContextPair } from '../messaging/contexts/pair.ts';
import type { Engine } from '../messaging/engine.ts';
import type { AnyBlocks, Blocks } from './collective/blocks.ts';
import { preparedPlain } from './collective/collectives.ts';
import { InterReductions } from './collective/inter-reductions.ts';
import type { Prepared } from './collective/prepared.ts';
import { runSync, type Schedule, ScheduledRequest } from './collective/schedule.ts';
import type { CommunicatorObject } from './communicator-object.ts';
import type { Agreed } from './construction/agreement.ts';
import * as check from './construction/arguments.ts';
import { agreeFromGroup } from './construction/from-group.ts';
import type { Sides } from './construction/inter.ts';
import { merge } from './construction/merge.ts';
import type { Elements, Strided } from './datatype/data.ts';
import type { Group } from './group.ts';
import type { Endpoint } from './point-to-point/endpoint.ts';
import type { StartedRequest } from './point-to-point/started-request.ts';
import type { Session } from './session.ts';
import { type Adjacency, neighborhoodOf } from './topology/graph.ts';
import { checkFlags, type Grid, type Shift } from './topology/grid.ts';
import { TopologyMakers } from './topology/makers.ts';
import {
  prepareNeighborAllgather,
  prepareNeighborAllgatherv,
  prepareNeighborAlltoall,
  prepareNeighborAlltoallv,
} from './topology/neighbor-calls.ts';
import type { Neighborhood } from './topology/neighborhood.ts';
import { PersistentNeighbors } from './topology/persistent-neighbor.ts';

/** How two communicators relate. */
export type CommunicatorComparison = 'same' | 'congruent' | 'similar' | 'unequal';

/**
 * Ranks that talk to each other, each by its number in one group (MPI_Comm; MPI 4.1, 7.4).
 *
 * A new communicator is made from another one, by all of its ranks, or by those alone who will be in it.
 * Messages on one communicator never meet those on another. Each has a name, attributes, and its own choice
 * of what becomes of errors.
 */
export class Communicator extends TopologyMakers<
  Communicator,
  InterCommunicator,
  CartCommunicator,
  GraphCommunicator
> {
  /** @internal @param pair its contexts; null for the world */
  constructor(engine: Engine, pair: ContextPair | null, group: Group, session: Session, name = '') {
    super(engine, pair, group, group, session, name);
  }

  /**
   * A communicator of a group, from no other communicator (MPI_Comm_create_from_group; MPI 4.1, 7.4.2): its members alone
   * call it. A library that gets a group needs nothing else.
   * @param tag calls at the same time are told apart by the group and the tag
   * @throws MpiError ERR_RANK where this rank is not in the group; ERR_ARG where it is no group; ERR_TAG,
   *   ERR_NO_CONTEXT, ERR_FINALIZED, ERR_PEER_FAILED
   */
  static fromGroup(group: Group, tag: string): StartedRequest<Communicator> {
    const { endpoint, schedule } = agreeFromGroup(group, tag, communicatorOf);
    return ScheduledRequest.of(endpoint, () => schedule);
  }

  /** {@link fromGroup}, blocking the thread. */
  static fromGroupSync(group: Group, tag: string): Communicator {
    return runSync(agreeFromGroup(group, tag, communicatorOf).schedule);
  }

  /**
   * Whether two communicators are one ('same'), have the same ranks in the same order ('congruent'), the same
   * ranks ('similar'), or others ('unequal') (MPI_Comm_compare; MPI 4.1, 7.4.1).
   * @throws MpiError ERR_ARG where `other` is no communicator
   */
  compare(other: Communicator): CommunicatorComparison {
    if (!(other instanceof Communicator))
      throw new MpiError('ERR_ARG', `${inWords(other)} is no communicator to compare with`);
    if (this === other) return 'same';
    const groups = this.group.compare(other.group);
    return groups === 'same' ? 'congruent' : groups;
  }

  /** @internal */
  protected override made(agreed: Agreed): Communicator {
    return madeFrom(this, agreed);
  }

  /** @internal */
  protected override twin(agreed: Agreed): this {
    return this.made(agreed) as this;
  }

  /** @internal */
  protected override connected(sides: Sides): InterCommunicator {
    const { engine, session } = this.endpoint;
    return inheriting(new InterCommunicator(engine, sides, session), this);
  }

  /** @internal */
  protected override onGrid(agreed: Agreed, grid: Grid): CartCommunicator {
    return inheriting(new CartCommunicator(this, agreed, grid), this);
  }

  /** @internal */
  protected override onGraph(agreed: Agreed, neighbors: Adjacency): GraphCommunicator {
    return inheriting(new GraphCommunicator(this, agreed, neighbors), this);
  }
}

/**
 * A communicator whose ranks have neighbours (MPI 4.1, 8.6), each of them its own: what {@link Communicator.cart},
 * {@link Communicator.distGraph} and {@link Communicator.distGraphAdjacent} give. In a neighbourhood operation a rank sends a block to each
 * of its destinations, and receives one of each of its sources. All ranks of the communicator make the call. With {@link PROC_NULL}, where a
 * grid ends, nothing is exchanged, and its block is left as it is.
 */
export abstract class NeighborCommunicator extends Communicator {
  /** @internal */
  readonly neighbors: Neighborhood;
  #persistent: PersistentNeighbors | null = null;

  /** @internal */
  constructor({ endpoint }: Communicator, { pair, group }: Agreed, neighbors: Neighborhood) {
    super(endpoint.engine, pair, group, endpoint.session);
    this.neighbors = neighbors;
  }

  /**
   * The ranks that this one receives from, in the order of their blocks (MPI_Dist_graph_neighbors; MPI 4.1, 8.5.5). In a grid: along
   * each dimension the lower one and the higher one, {@link PROC_NULL} where there is none.
   */
  get sources(): readonly number[] {
    return this.neighbors.sources;
  }

  /** The ranks that this one sends to, in the order of their blocks; in a grid the same as the sources (MPI 4.1, 8.5.5). */
  get destinations(): readonly number[] {
    return this.neighbors.destinations;
  }

  /** Makes operations among neighbours that are started again and again (MPI 4.1, 8.8). */
  get persistentNeighbor(): PersistentNeighbors {
    this.#persistent ??= new PersistentNeighbors(this.calls, this.neighbors);
    return this.#persistent;
  }

  /** @internal */
  protected override get makers(): readonly object[] {
    return [...super.makers, this.persistentNeighbor];
  }

  /**
   * Gives each destination the same block (MPI_Neighbor_allgather; MPI 4.1, 8.6.1).
   * @param send this rank's block, as long at all ranks
   * @param receive room for a block of each source, side by side
   * @returns the blocks of the sources
   * @throws MpiError ERR_COUNT where the room is not that of a block for each source; ERR_BUFFER, ERR_MISMATCH, ERR_FINALIZED,
   *   ERR_CLOSED, ERR_PEER_FAILED
   */
  neighborAllgather<A extends Elements>(send: A, receive: A): StartedRequest<A> {
    return this.calls.start(() =>
      prepareNeighborAllgather(this.endpoint, this.neighbors, send, receive),
    );
  }

  /** {@link neighborAllgather}, blocking the thread. */
  neighborAllgatherSync<A extends Elements>(send: A, receive: A): A {
    return this.calls.runSync(
      prepareNeighborAllgather(this.endpoint, this.neighbors, send, receive),
    );
  }

  /**
   * {@link neighborAllgather} of blocks of any length (MPI_Neighbor_allgatherv; MPI 4.1, 8.6.1).
   * @param receive a block for each source, as long and of the same type as what that rank sends; null for PROC_NULL
   * @throws MpiError as {@link neighborAllgather}; ERR_ARG where `receive` is no list of blocks
   */
  neighborAllgatherv<A extends Elements>(
    send: A | Strided<A>,
    receive: Blocks<A>,
  ): StartedRequest<Blocks<A>> {
    return this.calls.start(() =>
      prepareNeighborAllgatherv(this.endpoint, this.neighbors, send, receive),
    );
  }

  /** {@link neighborAllgatherv}, blocking the thread. */
  neighborAllgathervSync<A extends Elements>(send: A | Strided<A>, receive: Blocks<A>): Blocks<A> {
    return this.calls.runSync(
      prepareNeighborAllgatherv(this.endpoint, this.neighbors, send, receive),
    );
  }

  /**
   * Gives each destination a block of its own (MPI_Neighbor_alltoall; MPI 4.1, 8.6.2). What a rank of a grid sends down a
   * dimension comes to its neighbour from above, also where both are one rank.
   * @param send a block for each destination, side by side, as long at all ranks
   * @param receive room for a block of each source, side by side
   * @returns the blocks of the sources
   * @throws MpiError as {@link neighborAllgather}
   */
  neighborAlltoall<A extends Elements>(send: A, receive: A): StartedRequest<A> {
    return this.calls.start(() =>
      prepareNeighborAlltoall(this.endpoint, this.neighbors, send, receive),
    );
  }

  /** {@link neighborAlltoall}, blocking the thread. */
  neighborAlltoallSync<A extends Elements>(send: A, receive: A): A {
    return this.calls.runSync(
      prepareNeighborAlltoall(this.endpoint, this.neighbors, send, receive),
    );
  }

  /**
   * {@link neighborAlltoall} of blocks of any length, type and layout (MPI_Neighbor_alltoallv, MPI_Neighbor_alltoallw; MPI 4.1, 8.6.2): a
   * halo exchange is one call.
   * @param send a block for each destination; null for PROC_NULL
   * @param receive a block for each source, as long and of the same type as what that rank sends; null for PROC_NULL
   * @throws MpiError as {@link neighborAllgatherv}
   */
  neighborAlltoallv<B extends AnyBlocks>(send: AnyBlocks, receive: B): StartedRequest<B> {
    return this.calls.start(() =>
      prepareNeighborAlltoallv(this.endpoint, this.neighbors, send, receive),
    );
  }

  /** {@link neighborAlltoallv}, blocking the thread. */
  neighborAlltoallvSync<B extends AnyBlocks>(send: AnyBlocks, receive: B): B {
    return this.calls.runSync(
      prepareNeighborAlltoallv(this.endpoint, this.neighbors, send, receive),
    );
  }
}

/** Ranks that stand in a grid (MPI 4.1, 8.5.1): what {@link Communicator.cart} gives. */
export class CartCommunicator extends NeighborCommunicator {
  readonly #grid: Grid;
  /** Where this rank stands: its place along each dimension (MPI_Cart_get; MPI 4.1, 8.5.5). */
  readonly coords: readonly number[];

  /** @internal */
  constructor(parent: Communicator, agreed: Agreed, grid: Grid) {
    super(parent, agreed, grid.neighborhood(agreed.group.rank));
    this.#grid = grid;
    this.coords = Object.freeze(grid.coordsOf(agreed.group.rank));
  }

  /** How many places there are along each dimension (MPI_Cart_get; MPI 4.1, 8.5.5). */
  get dims(): readonly number[] {
    return this.#grid.dims;
  }

  /** Of each dimension whether its last place is beside its first (MPI_Cart_get; MPI 4.1, 8.5.5). */
  get periodic(): readonly boolean[] {
    return this.#grid.periodic;
  }

  /**
   * The rank at a place (MPI_Cart_rank; MPI 4.1, 8.5.5).
   * @param coords a place along each dimension; beyond the end of a periodic one it goes on at the other end
   * @throws MpiError ERR_ARG where there is no such place
   */
  rankAt(coords: readonly number[]): number {
    return this.#grid.rankAt(coords);
  }

  /** The place of a rank (MPI_Cart_coords; MPI 4.1, 8.5.5). @throws MpiError ERR_RANK */
  coordsOf(rank: number): number[] {
    return this.#grid.coordsOf(rank);
  }

  /**
   * The ranks so many places away along a dimension, for `sendrecv` (MPI_Cart_shift; MPI 4.1, 8.5.6): {@link PROC_NULL} beyond the
   * end of one that is not periodic.
   * @param displacement negative: towards lower coordinates
   * @throws MpiError ERR_ARG
   */
  shift(dimension: number, displacement = 1): Shift {
    return this.#grid.shift(this.rank, dimension, displacement);
  }

  /**
   * A grid of fewer dimensions (MPI_Cart_sub; MPI 4.1, 8.5.7): the ranks come together that stand at the same place along all
   * dimensions that are left out. All ranks call it.
   * @param keep of each dimension whether the new grid has it; the same at all ranks
   * @throws MpiError ERR_ARG, ERR_MISMATCH, ERR_NO_CONTEXT, ERR_FINALIZED, ERR_CLOSED, ERR_PEER_FAILED
   */
  sub(keep: readonly boolean[]): StartedRequest<CartCommunicator> {
    return this.calls.start(() => this.#sub(keep));
  }

  /** {@link sub}, blocking the thread. */
  subSync(keep: readonly boolean[]): CartCommunicator {
    return this.calls.runSync(this.#sub(keep));
  }

  #sub(keep: readonly boolean[]): Prepared<CartCommunicator> {
    this.endpoint.checkAlive();
    const grid = this.#grid;
    const kept = checkFlags('sub: keep', keep, grid.dims.length);
    const part = grid.part(kept);
    const ranks = grid.ranksInPart(kept, this.rank);
    const make = (agreed: Agreed) => this.onGrid(agreed, part);
    const prepared = this.agreed('sub', `keep ${kept.join(' ')}`, kept.map(Number), ranks, make);
    return prepared as Prepared<CartCommunicator>;
  }

  /** @internal */
  protected override twin(agreed: Agreed): this {
    return this.onGrid(agreed, this.#grid) as this;
  }
}

/** Ranks with neighbours of their own choice (MPI 4.1, 8.5.4): what {@link Communicator.distGraph} and its like give. */
export class GraphCommunicator extends NeighborCommunicator {
  /** This rank's edges, with their weights if they have any (MPI_Dist_graph_neighbors; MPI 4.1, 8.5.5). */
  readonly weights: Adjacency;

  /** @internal */
  constructor(parent: Communicator, agreed: Agreed, weights: Adjacency) {
    super(parent, agreed, neighborhoodOf(weights));
    this.weights = weights;
  }

  /** @internal */
  protected override twin(agreed: Agreed): this {
    return this.onGraph(agreed, this.weights) as this;
  }
}

/**
 * Two groups: the ranks that a call names are the other group's (MPI 4.1, 7.6). What one group gives in a
 * collective call, the other gets.
 */
export class InterCommunicator extends InterReductions {
  /** How many ranks the other group has (MPI_Comm_remote_size; MPI 4.1, 7.6.1). */
  readonly remoteSize: number;
  /** The other group (MPI_Comm_remote_group; MPI 4.1, 7.6.1). */
  readonly remoteGroup: Group;

  /** @internal */
  constructor(engine: Engine, sides: Sides, session: Session) {
    super(engine, sides, session);
    this.remoteSize = sides.remote.size;
    this.remoteGroup = sides.remote;
  }

  /**
   * One communicator of both groups (MPI_Intercomm_merge; MPI 4.1, 7.6.2). All ranks of both call it.
   * @param high whether this group comes last, the same at all its ranks; where both groups say the same,
   *   the one whose first rank is the lower in the world comes first
   * @throws MpiError ERR_ARG where the ranks of a group do not pass the same; ERR_NO_CONTEXT, ERR_FINALIZED,
   *   ERR_CLOSED, ERR_PEER_FAILED
   */
  merge(high: boolean): StartedRequest<Communicator> {
    return this.calls.start(() => this.#merge(high));
  }

  /** {@link merge}, blocking the thread. */
  mergeSync(high: boolean): Communicator {
    return this.calls.runSync(this.#merge(high));
  }

  #merge(high: boolean): Prepared<Communicator> {
    const { endpoint, local, group, remoteGroup } = this;
    endpoint.checkAlive();
    check.checkHigh(high);
    const making = (tag: number) => merge(endpoint, local, group, remoteGroup, tag, high);
    return preparedPlain('merge', (tag) => mergedOf(this, making(tag)));
  }

  /** @internal */
  protected override giveUp(): void {
    super.giveUp();
    const { engine, pair } = this.local;
    if (pair !== null) engine.receiving.contexts.close(pair);
  }
}

function communicatorOf({ engine, session }: Endpoint, { pair, group }: Agreed): Communicator {
  return new Communicator(engine, pair, group, session);
}

function madeFrom(parent: CommunicatorObject, agreed: Agreed): Communicator {
  return inheriting(communicatorOf(parent.endpoint, agreed), parent);
}

/** What a communicator has from the one that it is made from. */
function inheriting<C extends CommunicatorObject>(made: C, parent: CommunicatorObject): C {
  made.errors = parent.errors;
  made.timeout = parent.timeout;
  return made;
}

function* mergedOf(parent: InterCommunicator, schedule: Schedule<Agreed>): Schedule<Communicator> {
  return madeFrom(parent, yield* schedule);
}
