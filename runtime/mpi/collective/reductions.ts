/** Reductions (MPI 4.1, 6.9 to 6.12). */
import type { Elements } from '../datatype/data.ts';
import type { StartedRequest } from '../point-to-point/started-request.ts';
import { prepareAllreduceCall } from './allreduce.ts';
import type { InPlace } from './arguments.ts';
import { DataMovement } from './data-movement.ts';
import type { Op } from './op.ts';
import { PersistentReductions } from './persistent-reductions.ts';
import { prepareReduceCall } from './reduce.ts';
import { prepareReduceScatter, prepareReduceScatterBlock } from './reduce-scatter.ts';
import type { Exactly, ReduceOptions } from './reduction.ts';
import { prepareExclusiveScan, prepareInclusiveScan } from './scan.ts';

export abstract class Reductions extends DataMovement {
  #persistent: PersistentReductions | null = null;

  /** Makers of persistent operations: point-to-point, and collective ones (MPI 4.1, 3.9 and 6.13). */
  override get persistent(): PersistentReductions {
    this.#persistent ??= new PersistentReductions(this.endpoint, this.calls);
    return this.#persistent;
  }

  /**
   * Combines the elements of all ranks, for the root (MPI_Reduce; MPI 4.1, 6.9.1).
   * @param send what this rank gives, as long at all ranks; or a number, or a bigint. IN_PLACE at the root: it lies in `receive`
   * @param receive at the root an array for the result: new memory where it is null; elsewhere it is not looked at
   * @param root the same at all ranks
   * @returns at the root the result; elsewhere null
   * @throws MpiError ERR_OP where the operation is not for such elements, or it threw at a rank; ERR_COUNT where the lengths of
   *   the arrays differ; ERR_BUFFER, ERR_RANK, ERR_NO_MEM, ERR_MISMATCH, ERR_FINALIZED, ERR_CLOSED, ERR_PEER_FAILED
   */
  reduce(
    value: number,
    op: Op<Float64Array>,
    root?: number,
    options?: ReduceOptions,
  ): StartedRequest<number | null>;
  reduce(value: bigint, op: Op<BigInt64Array>, root?: number): StartedRequest<bigint | null>;
  reduce<A extends Elements>(
    send: A | InPlace,
    receive: A | null,
    op: Op<Exactly<A>>,
    root?: number,
    options?: ReduceOptions,
  ): StartedRequest<A | null>;
  reduce(
    first: unknown,
    second: unknown,
    third?: unknown,
    fourth?: unknown,
    fifth?: unknown,
  ): StartedRequest<unknown> {
    const { calls, endpoint } = this;
    return fifth === undefined
      ? calls.startCall(prepareReduceCall, first, second, third, fourth)
      : calls.start(() => prepareReduceCall(endpoint, first, second, third, fourth, fifth));
  }

  /** {@link reduce}, blocking the thread. */
  reduceSync(
    value: number,
    op: Op<Float64Array>,
    root?: number,
    options?: ReduceOptions,
  ): number | null;
  reduceSync(value: bigint, op: Op<BigInt64Array>, root?: number): bigint | null;
  reduceSync<A extends Elements>(
    send: A | InPlace,
    receive: A | null,
    op: Op<Exactly<A>>,
    root?: number,
    options?: ReduceOptions,
  ): A | null;
  reduceSync(
    first: unknown,
    second: unknown,
    third?: unknown,
    fourth?: unknown,
    fifth?: unknown,
  ): unknown {
    const { calls, endpoint } = this;
    return fifth === undefined
      ? calls.block(prepareReduceCall, first, second, third, fourth)
      : calls.runSync(prepareReduceCall(endpoint, first, second, third, fourth, fifth));
  }

  /**
   * Combines the elements of all ranks, for all (MPI_Allreduce; MPI 4.1, 6.9.6). `allreduce(data, op)` is in place. All ranks
   * get the same bits, and on each run with as many ranks the same.
   * @param send what this rank gives, as long at all ranks; or a number, or a bigint
   * @param receive an array for the result; new memory where it is null
   * @returns the result
   * @throws MpiError as {@link reduce}
   */
  allreduce(value: number, op: Op<Float64Array>, options?: ReduceOptions): StartedRequest<number>;
  allreduce(value: bigint, op: Op<BigInt64Array>): StartedRequest<bigint>;
  allreduce<A extends Elements>(
    data: A,
    op: Op<Exactly<A>>,
    options?: ReduceOptions,
  ): StartedRequest<A>;
  allreduce<A extends Elements>(
    send: A,
    receive: A | null,
    op: Op<Exactly<A>>,
    options?: ReduceOptions,
  ): StartedRequest<A>;
  allreduce(
    first: unknown,
    second: unknown,
    third?: unknown,
    fourth?: unknown,
  ): StartedRequest<unknown> {
    return this.calls.startCall(prepareAllreduceCall, first, second, third, fourth);
  }

  /** {@link allreduce}, blocking the thread. */
  allreduceSync(value: number, op: Op<Float64Array>, options?: ReduceOptions): number;
  allreduceSync(value: bigint, op: Op<BigInt64Array>): bigint;
  allreduceSync<A extends Elements>(data: A, op: Op<Exactly<A>>, options?: ReduceOptions): A;
  allreduceSync<A extends Elements>(
    send: A,
    receive: A | null,
    op: Op<Exactly<A>>,
    options?: ReduceOptions,
  ): A;
  allreduceSync(first: unknown, second: unknown, third?: unknown, fourth?: unknown): unknown {
    return this.calls.block(prepareAllreduceCall, first, second, third, fourth);
  }

  /**
   * Combines the elements of all ranks, of which each rank gets a block of the same length
   * (MPI_Reduce_scatter_block; MPI 4.1, 6.10.1).
   * @param send a block for each rank, side by side. IN_PLACE at all ranks: they lie in `receive`
   * @param receive room for a block: new memory where it is null. In place it has all blocks, and the result at its beginning
   * @returns this rank's block; in place a view of it
   * @throws MpiError as {@link reduce}
   */
  reduceScatterBlock<A extends Elements>(
    send: A | InPlace,
    receive: A | null,
    op: Op<Exactly<A>>,
  ): StartedRequest<A> {
    return this.calls.startCall(prepareReduceScatterBlock<A>, send, receive, op);
  }

  /** {@link reduceScatterBlock}, blocking the thread. */
  reduceScatterBlockSync<A extends Elements>(
    send: A | InPlace,
    receive: A | null,
    op: Op<Exactly<A>>,
  ): A {
    return this.calls.block(prepareReduceScatterBlock<A>, send, receive, op);
  }

  /**
   * {@link reduceScatterBlock} of blocks of any length (MPI_Reduce_scatter; MPI 4.1, 6.10.2).
   * @param counts the elements of each rank's block, the same at all ranks
   * @throws MpiError as {@link reduce}
   */
  reduceScatter<A extends Elements>(
    send: A | InPlace,
    receive: A | null,
    counts: ArrayLike<number>,
    op: Op<Exactly<A>>,
  ): StartedRequest<A> {
    return this.calls.start(() => prepareReduceScatter(this.endpoint, send, receive, counts, op));
  }

  /** {@link reduceScatter}, blocking the thread. */
  reduceScatterSync<A extends Elements>(
    send: A | InPlace,
    receive: A | null,
    counts: ArrayLike<number>,
    op: Op<Exactly<A>>,
  ): A {
    return this.calls.runSync(prepareReduceScatter(this.endpoint, send, receive, counts, op));
  }

  /**
   * Combines the elements of the ranks from 0 to this one (MPI_Scan; MPI 4.1, 6.11.1).
   * @param send what this rank gives, as long at all ranks; or a number, or a bigint. IN_PLACE: it lies in `receive`
   * @param receive an array for the result; new memory where it is null
   * @returns the result
   * @throws MpiError as {@link reduce}
   */
  scan(value: number, op: Op<Float64Array>): StartedRequest<number>;
  scan(value: bigint, op: Op<BigInt64Array>): StartedRequest<bigint>;
  scan<A extends Elements>(
    send: A | InPlace,
    receive: A | null,
    op: Op<Exactly<A>>,
  ): StartedRequest<A>;
  scan(first: unknown, second: unknown, third?: unknown): StartedRequest<unknown> {
    return this.calls.startCall(prepareInclusiveScan, first, second, third);
  }

  /** {@link scan}, blocking the thread. */
  scanSync(value: number, op: Op<Float64Array>): number;
  scanSync(value: bigint, op: Op<BigInt64Array>): bigint;
  scanSync<A extends Elements>(send: A | InPlace, receive: A | null, op: Op<Exactly<A>>): A;
  scanSync(first: unknown, second: unknown, third?: unknown): unknown {
    return this.calls.block(prepareInclusiveScan, first, second, third);
  }

  /**
   * Combines the elements of the ranks before this one (MPI_Exscan; MPI 4.1, 6.11.2), as {@link scan}. At rank 0, which has none before it, the
   * array stays as it is, and of a number the result is undefined.
   * @throws MpiError as {@link reduce}
   */
  exscan(value: number, op: Op<Float64Array>): StartedRequest<number | undefined>;
  exscan(value: bigint, op: Op<BigInt64Array>): StartedRequest<bigint | undefined>;
  exscan<A extends Elements>(
    send: A | InPlace,
    receive: A | null,
    op: Op<Exactly<A>>,
  ): StartedRequest<A>;
  exscan(first: unknown, second: unknown, third?: unknown): StartedRequest<unknown> {
    return this.calls.startCall(prepareExclusiveScan, first, second, third);
  }

  /** {@link exscan}, blocking the thread. */
  exscanSync(value: number, op: Op<Float64Array>): number | undefined;
  exscanSync(value: bigint, op: Op<BigInt64Array>): bigint | undefined;
  exscanSync<A extends Elements>(send: A | InPlace, receive: A | null, op: Op<Exactly<A>>): A;
  exscanSync(first: unknown, second: unknown, third?: unknown): unknown {
    return this.calls.block(prepareExclusiveScan, first, second, third);
  }
}
