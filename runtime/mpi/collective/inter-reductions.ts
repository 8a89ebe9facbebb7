/** Reductions between two groups (MPI 4.1, 6.9 and 6.10): what comes of one group's elements, the other group gets. */
import type { Elements } from '../datatype/data.ts';
import type { StartedRequest } from '../point-to-point/started-request.ts';
import { InterCollectives } from './inter-collectives.ts';
import {
  prepareInterAllreduceCall,
  prepareInterReduceCall,
  prepareInterReduceScatter,
} from './inter-reduce.ts';
import type { Op } from './op.ts';
import type { Exactly, ReduceOptions } from './reduction.ts';

export abstract class InterReductions extends InterCollectives {
  /**
   * Combines the elements of the other group, for the root (MPI_Reduce; MPI 4.1, 6.9.1).
   * @param send in the other group what a rank gives, as long at all its ranks; elsewhere it is not looked at. Or a number, or a bigint:
   *   at the root it says of which type the result is
   * @param receive at the root an array for the result
   * @param root as of {@link bcast}
   * @returns at the root the result; elsewhere null
   * @throws MpiError ERR_OP where the operation is not for such elements, or it threw at a rank; ERR_COUNT; as {@link bcast}
   */
  reduce(
    value: number,
    op: Op<Float64Array>,
    root: number,
    options?: ReduceOptions,
  ): StartedRequest<number | null>;
  reduce(value: bigint, op: Op<BigInt64Array>, root: number): StartedRequest<bigint | null>;
  reduce<A extends Elements>(
    send: A | null,
    receive: A | null,
    op: Op<Exactly<A>>,
    root: number,
    options?: ReduceOptions,
  ): StartedRequest<A | null>;
  reduce(...args: unknown[]): StartedRequest<unknown> {
    return this.calls.start(() => prepareInterReduceCall(this.endpoint, this.local, ...args));
  }

  /** {@link reduce}, blocking the thread. */
  reduceSync(
    value: number,
    op: Op<Float64Array>,
    root: number,
    options?: ReduceOptions,
  ): number | null;
  reduceSync(value: bigint, op: Op<BigInt64Array>, root: number): bigint | null;
  reduceSync<A extends Elements>(
    send: A | null,
    receive: A | null,
    op: Op<Exactly<A>>,
    root: number,
    options?: ReduceOptions,
  ): A | null;
  reduceSync(...args: unknown[]): unknown {
    return this.calls.runSync(prepareInterReduceCall(this.endpoint, this.local, ...args));
  }

  /**
   * Combines the elements of each group, for all ranks of the other one (MPI_Allreduce; MPI 4.1, 6.9.6).
   * @param send what this rank gives, as long at all ranks of both groups; or a number, or a bigint
   * @param receive an array for the result; new memory where it is null
   * @returns what the elements of the other group make
   * @throws MpiError as {@link reduce}
   */
  allreduce(value: number, op: Op<Float64Array>, options?: ReduceOptions): StartedRequest<number>;
  allreduce(value: bigint, op: Op<BigInt64Array>): StartedRequest<bigint>;
  allreduce<A extends Elements>(
    send: A,
    receive: A | null,
    op: Op<Exactly<A>>,
    options?: ReduceOptions,
  ): StartedRequest<A>;
  allreduce(...args: unknown[]): StartedRequest<unknown> {
    return this.calls.start(() => prepareInterAllreduceCall(this.endpoint, this.local, ...args));
  }

  /** {@link allreduce}, blocking the thread. */
  allreduceSync(value: number, op: Op<Float64Array>, options?: ReduceOptions): number;
  allreduceSync(value: bigint, op: Op<BigInt64Array>): bigint;
  allreduceSync<A extends Elements>(
    send: A,
    receive: A | null,
    op: Op<Exactly<A>>,
    options?: ReduceOptions,
  ): A;
  allreduceSync(...args: unknown[]): unknown {
    return this.calls.runSync(prepareInterAllreduceCall(this.endpoint, this.local, ...args));
  }

  /**
   * Combines the elements of each group, of which each rank of the other one gets a block of the same length
   * (MPI_Reduce_scatter_block; MPI 4.1, 6.10.1).
   * @param send as long at all ranks of both groups: as many blocks as this group has ranks, and as many as the other one has
   * @param receive room for a block: new memory where it is null
   * @returns this rank's block
   * @throws MpiError as {@link reduce}
   */
  reduceScatterBlock<A extends Elements>(
    send: A,
    receive: A | null,
    op: Op<Exactly<A>>,
  ): StartedRequest<A> {
    return this.calls.start(() => this.#scattered(send, receive, null, op));
  }

  /** {@link reduceScatterBlock}, blocking the thread. */
  reduceScatterBlockSync<A extends Elements>(send: A, receive: A | null, op: Op<Exactly<A>>): A {
    return this.calls.runSync(this.#scattered(send, receive, null, op));
  }

  /**
   * {@link reduceScatterBlock} of blocks of any length (MPI_Reduce_scatter; MPI 4.1, 6.10.2).
   * @param counts the elements of the block of each rank of this group, the same at all its ranks
   * @throws MpiError as {@link reduce}
   */
  reduceScatter<A extends Elements>(
    send: A,
    receive: A | null,
    counts: ArrayLike<number>,
    op: Op<Exactly<A>>,
  ): StartedRequest<A> {
    return this.calls.start(() => this.#scattered(send, receive, counts ?? [], op));
  }

  /** {@link reduceScatter}, blocking the thread. */
  reduceScatterSync<A extends Elements>(
    send: A,
    receive: A | null,
    counts: ArrayLike<number>,
    op: Op<Exactly<A>>,
  ): A {
    return this.calls.runSync(this.#scattered(send, receive, counts ?? [], op));
  }

  #scattered<A extends Elements>(
    send: A,
    receive: A | null,
    counts: ArrayLike<number> | null,
    op: unknown,
  ) {
    return prepareInterReduceScatter(this.endpoint, this.local, send, receive, counts, op);
  }
}
