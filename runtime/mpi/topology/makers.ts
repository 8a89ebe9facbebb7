/** Communicators that are made with a topology (MPI 4.1, 8.5). */
import { inWords } from '../../base/bytes.ts';
import { MpiError } from '../../base/error.ts';
import type { Prepared } from '../collective/prepared.ts';
import type { Schedule } from '../collective/schedule.ts';
import { type OperationName, plainSignature } from '../collective/signature.ts';
import { type Agreed, agree } from '../construction/agreement.ts';
import { CommunicatorMakers } from '../construction/makers.ts';
import type { StartedRequest } from '../point-to-point/started-request.ts';
import { agreeAlike } from './agreement.ts';
import { checkEnds, dealOut } from './edges.ts';
import { type Adjacency, checkAdjacency, checkEdges, type Edge } from './graph.ts';
import { type Grid, gridOf } from './grid.ts';

/** What a communicator with a topology may be like. */
export interface TopologyOptions {
  /** Whether its ranks may be numbered anew, to suit the machine; false if left out. So far they never are. */
  readonly reorder?: boolean;
}

/** What a grid may be like. */
export interface CartOptions extends TopologyOptions {
  /** Whether the last place along a dimension is beside the first: of all dimensions, or one value for each; false if left out. */
  readonly periodic?: boolean | readonly boolean[];
}

/** The calls that make communicators with a topology, whose classes are type parameters here: they extend this class. */
export abstract class TopologyMakers<
  Communicator,
  InterCommunicator,
  CartCommunicator,
  GraphCommunicator,
> extends CommunicatorMakers<Communicator, InterCommunicator> {
  /** @internal One that was agreed about. */
  protected abstract onGrid(agreed: Agreed, grid: Grid): CartCommunicator;

  /** @internal */
  protected abstract onGraph(agreed: Agreed, neighbors: Adjacency): GraphCommunicator;

  /**
   * A communicator whose ranks stand in a grid (MPI_Cart_create; MPI 4.1, 8.5.1), in the order of their places, of which the last
   * coordinate runs fastest. All ranks call it, with the same grid.
   * @param dims how many places there are along each dimension; {@link dimsCreate} finds such sizes
   * @returns null where this rank is beyond the grid's last place
   * @throws MpiError ERR_ARG where the grid is none, or has more places than there are ranks; ERR_MISMATCH, ERR_NO_CONTEXT,
   *   ERR_FINALIZED, ERR_CLOSED, ERR_PEER_FAILED
   */
  cart(
    dims: readonly number[],
    options: CartOptions = {},
  ): StartedRequest<CartCommunicator | null> {
    return this.calls.start(() => this.#cart(dims, options));
  }

  /** {@link cart}, blocking the thread. */
  cartSync(dims: readonly number[], options: CartOptions = {}): CartCommunicator | null {
    return this.calls.runSync(this.#cart(dims, options));
  }

  #cart(dims: readonly number[], options: CartOptions): Prepared<CartCommunicator | null> {
    this.endpoint.checkAlive();
    checkOptions('cart', options);
    const { periodic = false } = options;
    const grid = gridOf(dims, periodic, this.size);
    const words = [...grid.dims, ...grid.periodic.map(Number)];
    const ranks =
      this.rank < grid.size ? Int32Array.from({ length: grid.size }, (_, i) => i) : null;
    return this.agreed('cart', `${grid}`, words, ranks, (agreed) => this.onGrid(agreed, grid));
  }

  /** @internal A communicator of ranks that this rank knows, where all ranks pass the same words. */
  protected agreed<Made>(
    operation: OperationName,
    what: string,
    words: readonly number[],
    ranks: Int32Array | null,
    make: (agreed: Agreed) => Made,
  ): Prepared<Made | null> {
    const { endpoint, group } = this;
    return {
      signature: { ...plainSignature(operation), op: what },
      algorithm: 0,
      memory: [],
      *schedule(tag) {
        const agreed = yield* agreeAlike(endpoint, group, tag, words, ranks);
        return agreed === null ? null : make(agreed);
      },
    };
  }

  /**
   * A communicator whose ranks have neighbours of their own choice (MPI_Dist_graph_create_adjacent; MPI 4.1, 8.5.4). All ranks call it,
   * each with its own neighbours: who sends to a rank is a source there, as often and with the same weights.
   * @param neighbors the ranks that this one receives from and sends to, in the order of their blocks
   * @throws MpiError ERR_RANK; ERR_ARG, at all ranks where the two ends of an edge do not fit, or the edges of some have weights alone;
   *   ERR_MISMATCH, ERR_NO_CONTEXT, ERR_FINALIZED, ERR_CLOSED, ERR_PEER_FAILED
   */
  distGraphAdjacent(
    neighbors: Adjacency,
    options: TopologyOptions = {},
  ): StartedRequest<GraphCommunicator> {
    return this.calls.start(() => this.#distGraphAdjacent(neighbors, options));
  }

  /** {@link distGraphAdjacent}, blocking the thread. */
  distGraphAdjacentSync(neighbors: Adjacency, options: TopologyOptions = {}): GraphCommunicator {
    return this.calls.runSync(this.#distGraphAdjacent(neighbors, options));
  }

  #distGraphAdjacent(neighbors: Adjacency, options: TopologyOptions): Prepared<GraphCommunicator> {
    const { endpoint } = this;
    endpoint.checkAlive();
    checkOptions('distGraphAdjacent', options);
    const mine = checkAdjacency(neighbors, this.size);
    return this.#graph('distGraphAdjacent', function* (tag) {
      yield* checkEnds(endpoint, tag, mine);
      return mine;
    });
  }

  /**
   * {@link distGraphAdjacent}, of edges that any rank may name (MPI_Dist_graph_create; MPI 4.1, 8.5.4): the graph has all that some rank
   * names, an edge as often as it is named. A rank's neighbours are in the order of the ranks that name the edges, and then of
   * their lists.
   * @param edges those that this rank names, of whatever ranks
   * @throws MpiError as {@link distGraphAdjacent}
   */
  distGraph(
    edges: readonly Edge[],
    options: TopologyOptions = {},
  ): StartedRequest<GraphCommunicator> {
    return this.calls.start(() => this.#distGraph(edges, options));
  }

  /** {@link distGraph}, blocking the thread. */
  distGraphSync(edges: readonly Edge[], options: TopologyOptions = {}): GraphCommunicator {
    return this.calls.runSync(this.#distGraph(edges, options));
  }

  #distGraph(edges: readonly Edge[], options: TopologyOptions): Prepared<GraphCommunicator> {
    const { endpoint } = this;
    endpoint.checkAlive();
    checkOptions('distGraph', options);
    const mine = checkEdges(edges, this.size);
    return this.#graph('distGraph', (tag) => dealOut(endpoint, tag, mine));
  }

  /** @param settle gives this rank's edges */
  #graph(
    operation: OperationName,
    settle: (tag: number) => Schedule<Adjacency>,
  ): Prepared<GraphCommunicator> {
    const { endpoint, group } = this;
    const everybody = (said: Float64Array) => Int32Array.from(said, (_, rank) => rank);
    const make = (agreed: Agreed, neighbors: Adjacency) => this.onGraph(agreed, neighbors);
    return {
      signature: plainSignature(operation),
      algorithm: 0,
      memory: [],
      *schedule(tag) {
        const neighbors = yield* settle(tag);
        const agreed = yield* agree(endpoint, group, tag, [], null, everybody);
        return make(agreed as Agreed, neighbors);
      },
    };
  }
}

/** @throws MpiError ERR_ARG */
function checkOptions(operation: OperationName, options: TopologyOptions): void {
  if (typeof options !== 'object' || options === null)
    throw new MpiError(
      'ERR_ARG',
      `${operation}: the options are ${inWords(options)}: pass an object`,
    );
  const { reorder = false } = options;
  if (typeof reorder !== 'boolean')
    throw new MpiError(
      'ERR_ARG',
      `${operation}: reorder is ${inWords(reorder)}: pass true or false`,
    );
}
