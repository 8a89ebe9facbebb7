/** `cart.persistentNeighbor`: neighbourhood operations that are made once and started often (MPI 4.1, 8.8). */
import type { AnyBlocks, Blocks } from '../collective/blocks.ts';
import type { Calls } from '../collective/calls.ts';
import { PersistentCollective } from '../collective/persistent-collective.ts';
import type { Prepared } from '../collective/prepared.ts';
import type { Elements, Strided } from '../datatype/data.ts';
import type { Persistent } from '../point-to-point/persistent.ts';
import {
  prepareNeighborAllgather,
  prepareNeighborAllgatherv,
  prepareNeighborAlltoall,
  prepareNeighborAlltoallv,
} from './neighbor-calls.ts';
import type { Neighborhood } from './neighborhood.ts';

/**
 * Makers of persistent operations among neighbours (MPI 4.1, 8.8). Arguments are those of the calls with the same names; all ranks make
 * them in the same order, and may start them in any order.
 */
export class PersistentNeighbors {
  readonly #calls: Calls;
  readonly #neighbors: Neighborhood;

  /** @internal */
  constructor(calls: Calls, neighbors: Neighborhood) {
    this.#calls = calls;
    this.#neighbors = neighbors;
  }

  #make<Result>(prepared: Prepared<Result>): Persistent<Result> {
    return new PersistentCollective(this.#calls, prepared);
  }

  /**
   * A neighbourhood allgather (MPI_Neighbor_allgather_init; MPI 4.1, 8.8.1).
   * @throws MpiError as {@link NeighborCommunicator.neighborAllgather}
   */
  allgather<A extends Elements>(send: A, receive: A): Persistent<A> {
    const { endpoint } = this.#calls;
    return this.#make(prepareNeighborAllgather(endpoint, this.#neighbors, send, receive));
  }

  /**
   * A neighbourhood allgather of any lengths (MPI_Neighbor_allgatherv_init; MPI 4.1, 8.8.1).
   * @throws MpiError as {@link NeighborCommunicator.neighborAllgatherv}
   */
  allgatherv<A extends Elements>(send: A | Strided<A>, receive: Blocks<A>): Persistent<Blocks<A>> {
    const { endpoint } = this.#calls;
    return this.#make(prepareNeighborAllgatherv(endpoint, this.#neighbors, send, receive));
  }

  /**
   * A neighbourhood all-to-all (MPI_Neighbor_alltoall_init; MPI 4.1, 8.8.2).
   * @throws MpiError as {@link NeighborCommunicator.neighborAlltoall}
   */
  alltoall<A extends Elements>(send: A, receive: A): Persistent<A> {
    const { endpoint } = this.#calls;
    return this.#make(prepareNeighborAlltoall(endpoint, this.#neighbors, send, receive));
  }

  /**
   * A neighbourhood all-to-all of any lengths, types and layouts (MPI_Neighbor_alltoallv_init, MPI_Neighbor_alltoallw_init; MPI 4.1,
   * 8.8.2).
   * @throws MpiError as {@link NeighborCommunicator.neighborAlltoallv}
   */
  alltoallv<B extends AnyBlocks>(send: AnyBlocks, receive: B): Persistent<B> {
    const { endpoint } = this.#calls;
    return this.#make(prepareNeighborAlltoallv(endpoint, this.#neighbors, send, receive));
  }
}
