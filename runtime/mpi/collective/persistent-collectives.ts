/** `comm.persistent`: collective operations that are made once and started often (MPI 4.1, 6.13). */
import type { Data, Elements, Strided } from '../datatype/data.ts';
import type { Endpoint } from '../point-to-point/endpoint.ts';
import type { Persistent } from '../point-to-point/persistent.ts';
import { PersistentOperations } from '../point-to-point/persistent-operations.ts';
import { prepareAllgather, prepareAllgatherv } from './allgather.ts';
import { prepareAlltoall } from './alltoall.ts';
import { prepareAlltoallv } from './alltoallv.ts';
import type { InPlace } from './arguments.ts';
import { prepareBarrier } from './barrier.ts';
import { prepareBcast } from './bcast.ts';
import type { AnyBlocks, Blocks } from './blocks.ts';
import type { Calls } from './calls.ts';
import { prepareGather, prepareGatherv } from './gather.ts';
import { PersistentCollective } from './persistent-collective.ts';
import type { Prepared } from './prepared.ts';
import { prepareScatter, prepareScatterv } from './scatter.ts';

/**
 * Makers of persistent operations. Of collective ones the arguments are those of the calls with the same names, all ranks make
 * them in the same order, and may start them in any order.
 */
export class PersistentCollectives extends PersistentOperations {
  readonly #endpoint: Endpoint;
  readonly #calls: Calls;

  /** @internal */
  constructor(endpoint: Endpoint, calls: Calls) {
    super(endpoint);
    this.#endpoint = endpoint;
    this.#calls = calls;
  }

  /** @internal */
  protected make<Result>(prepare: (endpoint: Endpoint) => Prepared<Result>): Persistent<Result> {
    return new PersistentCollective(this.#calls, prepare(this.#endpoint));
  }

  /** A barrier (MPI_Barrier_init; MPI 4.1, 6.13). @throws MpiError ERR_NO_MEM, ERR_FINALIZED, ERR_CLOSED */
  barrier(): Persistent<void> {
    return this.make(prepareBarrier);
  }

  /** A broadcast (MPI_Bcast_init; MPI 4.1, 6.13). @throws MpiError as {@link Communicator.bcast} */
  bcast<D extends Data>(data: D, root = 0): Persistent<D> {
    return this.make((endpoint) => prepareBcast(endpoint, data, root));
  }

  /** A gather (MPI_Gather_init; MPI 4.1, 6.13). @throws MpiError as {@link Communicator.gather} */
  gather<A extends Elements>(
    send: A | InPlace,
    receive?: A | null,
    root = 0,
  ): Persistent<A | null> {
    return this.make((endpoint) => prepareGather(endpoint, send, receive, root));
  }

  /** A gather of any lengths (MPI_Gatherv_init; MPI 4.1, 6.13). @throws MpiError as {@link Communicator.gatherv} */
  gatherv<A extends Elements>(
    send: A | Strided<A> | InPlace,
    receive?: Blocks<A> | null,
    root = 0,
  ): Persistent<Blocks<A> | null> {
    return this.make((endpoint) => prepareGatherv(endpoint, send, receive, root));
  }

  /** A scatter (MPI_Scatter_init; MPI 4.1, 6.13). @throws MpiError as {@link Communicator.scatter} */
  scatter<A extends Elements>(send: A | null, receive: A | InPlace, root = 0): Persistent<A> {
    return this.make((endpoint) => prepareScatter(endpoint, send, receive, root));
  }

  /** A scatter of any lengths (MPI_Scatterv_init; MPI 4.1, 6.13). @throws MpiError as {@link Communicator.scatterv} */
  scatterv<A extends Elements>(
    send: Blocks<A> | null,
    receive: A | Strided<A> | InPlace,
    root = 0,
  ): Persistent<A | Strided<A>> {
    return this.make((endpoint) => prepareScatterv(endpoint, send, receive, root));
  }

  /** An allgather (MPI_Allgather_init; MPI 4.1, 6.13). @throws MpiError as {@link Communicator.allgather} */
  allgather<A extends Elements>(send: A | InPlace, receive?: A): Persistent<A> {
    return this.make((endpoint) => prepareAllgather(endpoint, send, receive));
  }

  /**
   * An allgather of any lengths (MPI_Allgatherv_init; MPI 4.1, 6.13).
   * @throws MpiError as {@link Communicator.allgatherv}
   */
  allgatherv<A extends Elements>(
    send: A | Strided<A> | InPlace,
    receive?: Blocks<A>,
  ): Persistent<Blocks<A>> {
    return this.make((endpoint) => prepareAllgatherv(endpoint, send, receive));
  }

  /** An all-to-all (MPI_Alltoall_init; MPI 4.1, 6.13). @throws MpiError as {@link Communicator.alltoall} */
  alltoall<A extends Elements>(send: A | InPlace, receive?: A): Persistent<A> {
    return this.make((endpoint) => prepareAlltoall(endpoint, send, receive));
  }

  /**
   * An all-to-all of any lengths (MPI_Alltoallv_init, MPI_Alltoallw_init; MPI 4.1, 6.13).
   * @throws MpiError as {@link Communicator.alltoallv}
   */
  alltoallv<B extends AnyBlocks>(send: AnyBlocks | InPlace, receive: B): Persistent<B> {
    return this.make((endpoint) => prepareAlltoallv(endpoint, send, receive));
  }
}
