/** `comm.persistent`: reductions that are made once and started often (MPI 4.1, 6.13). */
import type { Elements } from '../datatype/data.ts';
import type { Persistent } from '../point-to-point/persistent.ts';
import { prepareAllreduceCall } from './allreduce.ts';
import { elementsOf, type InPlace } from './arguments.ts';
import type { Op } from './op.ts';
import { PersistentCollectives } from './persistent-collectives.ts';
import { prepareReduce } from './reduce.ts';
import { prepareReduceScatter, prepareReduceScatterBlock } from './reduce-scatter.ts';
import type { Exactly, ReduceOptions } from './reduction.ts';
import { prepareScan } from './scan.ts';

/** {@link PersistentCollectives}, and reductions of arrays. */
export class PersistentReductions extends PersistentCollectives {
  /** A reduction for one rank (MPI_Reduce_init; MPI 4.1, 6.13). @throws MpiError as {@link Communicator.reduce} */
  reduce<A extends Elements>(
    send: A | InPlace,
    receive: A | null,
    op: Op<Exactly<A>>,
    root = 0,
    options?: ReduceOptions,
  ): Persistent<A | null> {
    return this.make((endpoint) => prepareReduce(endpoint, send, receive, op, root, options));
  }

  /** A reduction for all ranks (MPI_Allreduce_init; MPI 4.1, 6.13). @throws MpiError as {@link Communicator.allreduce} */
  allreduce<A extends Elements>(
    data: A,
    op: Op<Exactly<A>>,
    options?: ReduceOptions,
  ): Persistent<A>;
  allreduce<A extends Elements>(
    send: A,
    receive: A | null,
    op: Op<Exactly<A>>,
    options?: ReduceOptions,
  ): Persistent<A>;
  allreduce(
    first: Elements,
    second: unknown,
    third?: unknown,
    fourth?: unknown,
  ): Persistent<unknown> {
    return this.make((endpoint) => {
      // A number is of the moment in which the operation is made.
      elementsOf('allreduce', 'what is reduced', first);
      return prepareAllreduceCall(endpoint, first, second, third, fourth);
    });
  }

  /**
   * A reduction of which each rank gets a block (MPI_Reduce_scatter_block_init; MPI 4.1, 6.13).
   * @throws MpiError as {@link Communicator.reduceScatterBlock}
   */
  reduceScatterBlock<A extends Elements>(
    send: A | InPlace,
    receive: A | null,
    op: Op<Exactly<A>>,
  ): Persistent<A> {
    return this.make((endpoint) => prepareReduceScatterBlock(endpoint, send, receive, op));
  }

  /**
   * The same of blocks of any lengths (MPI_Reduce_scatter_init; MPI 4.1, 6.13).
   * @throws MpiError as {@link Communicator.reduceScatter}
   */
  reduceScatter<A extends Elements>(
    send: A | InPlace,
    receive: A | null,
    counts: ArrayLike<number>,
    op: Op<Exactly<A>>,
  ): Persistent<A> {
    return this.make((endpoint) => prepareReduceScatter(endpoint, send, receive, counts, op));
  }

  /** A scan (MPI_Scan_init; MPI 4.1, 6.13). @throws MpiError as {@link Communicator.scan} */
  scan<A extends Elements>(
    send: A | InPlace,
    receive: A | null,
    op: Op<Exactly<A>>,
  ): Persistent<A> {
    return this.make((endpoint) => prepareScan(endpoint, 'scan', send, receive, op));
  }

  /** An exclusive scan (MPI_Exscan_init; MPI 4.1, 6.13). @throws MpiError as {@link Communicator.exscan} */
  exscan<A extends Elements>(
    send: A | InPlace,
    receive: A | null,
    op: Op<Exactly<A>>,
  ): Persistent<A> {
    return this.make((endpoint) => prepareScan(endpoint, 'exscan', send, receive, op));
  }
}
