/** Collective operations on values (MPI 4.1, 6, with what MPI has no datatype for). */
import type { Codec } from '../point-to-point/objects/codec.ts';
import { Objects } from '../point-to-point/objects/objects.ts';
import type { StartedRequest } from '../point-to-point/started-request.ts';
import type { Calls } from './calls.ts';
import * as prepare from './object-schedules.ts';
import type { Prepared } from './prepared.ts';

/**
 * {@link Objects} of a communicator of one group: values that all of its ranks give or get at once. All ranks make the same calls in the
 * same order. A value is encoded when the call is made; what comes is new.
 */
export class CollectiveObjects<T = unknown, C extends object = object> extends Objects<T, C> {
  readonly #calls: Calls;
  readonly #given: Codec<T>;

  /** @internal */
  constructor(comm: C, calls: Calls, codec: Codec<T>) {
    super(comm, calls.endpoint, codec);
    this.#calls = calls;
    this.#given = codec;
  }

  #start<R>(make: (values: prepare.Values<T>) => Prepared<R>): StartedRequest<R> {
    return this.#calls.start(() => make({ endpoint: this.#calls.endpoint, codec: this.#given }));
  }

  #run<R>(make: (values: prepare.Values<T>) => Prepared<R>): R {
    return this.#calls.runSync(make({ endpoint: this.#calls.endpoint, codec: this.#given }));
  }

  /**
   * Gives all ranks the root's value (MPI_Bcast; MPI 4.1, 6.4).
   * @param value at the root; elsewhere it is not looked at
   * @returns the value: at the root itself, elsewhere a new one
   * @throws MpiError ERR_ARG where the codec cannot encode the value; ERR_RANK, ERR_PROTOCOL, ERR_NO_MEM, ERR_MISMATCH,
   *   ERR_FINALIZED, ERR_CLOSED, ERR_PEER_FAILED
   */
  bcast(value?: T, root = 0): StartedRequest<T> {
    return this.#start((values) => prepare.bcastObject(values, value as T, root));
  }

  /** {@link bcast}, blocking the thread. */
  bcastSync(value?: T, root = 0): T {
    return this.#run((values) => prepare.bcastObject(values, value as T, root));
  }

  /**
   * Gives the root the values of all ranks (MPI_Gather; MPI 4.1, 6.5).
   * @returns at the root the values in the order of the ranks; elsewhere null
   * @throws MpiError as {@link bcast}
   */
  gather(value: T, root = 0): StartedRequest<T[] | null> {
    return this.#start((values) => prepare.gatherObjects(values, value, root));
  }

  /** {@link gather}, blocking the thread. */
  gatherSync(value: T, root = 0): T[] | null {
    return this.#run((values) => prepare.gatherObjects(values, value, root));
  }

  /**
   * Gives all ranks the values of all (MPI_Allgather; MPI 4.1, 6.7).
   * @throws MpiError as {@link bcast}
   */
  allgather(value: T): StartedRequest<T[]> {
    return this.#start((values) => prepare.allgatherObjects(values, value));
  }

  /** {@link allgather}, blocking the thread. */
  allgatherSync(value: T): T[] {
    return this.#run((values) => prepare.allgatherObjects(values, value));
  }

  /**
   * Gives each rank its value of the root's (MPI_Scatter; MPI 4.1, 6.6).
   * @param values at the root one for each rank; elsewhere they are not looked at
   * @throws MpiError ERR_COUNT where there is not one for each rank; as {@link bcast}
   */
  scatter(values: readonly T[] | null, root = 0): StartedRequest<T> {
    return this.#start((own) => prepare.scatterObjects(own, values, root));
  }

  /** {@link scatter}, blocking the thread. */
  scatterSync(values: readonly T[] | null, root = 0): T {
    return this.#run((own) => prepare.scatterObjects(own, values, root));
  }

  /**
   * Gives each rank a value of each other one (MPI_Alltoall; MPI 4.1, 6.8).
   * @param values one for each rank
   * @throws MpiError ERR_COUNT where there is not one for each rank; as {@link bcast}
   */
  alltoall(values: readonly T[]): StartedRequest<T[]> {
    return this.#start((own) => prepare.alltoallObjects(own, values));
  }

  /** {@link alltoall}, blocking the thread. */
  alltoallSync(values: readonly T[]): T[] {
    return this.#run((own) => prepare.alltoallObjects(own, values));
  }

  /**
   * Combines the values of all ranks in their order (MPI_Reduce; MPI 4.1, 6.9.1): the root calls `combine` for one rank after the other.
   * @param combine gives what takes the place of both; what it throws fails the call with ERR_ARG, and the ranks that wait for this one get
   *   ERR_PEER_FAILED
   * @returns at the root the result; elsewhere null
   * @throws MpiError as {@link bcast}
   */
  reduce(value: T, combine: (lower: T, higher: T) => T, root = 0): StartedRequest<T | null> {
    return this.#start((values) => prepare.reduceObjects(values, value, combine, root));
  }

  /** {@link reduce}, blocking the thread. */
  reduceSync(value: T, combine: (lower: T, higher: T) => T, root = 0): T | null {
    return this.#run((values) => prepare.reduceObjects(values, value, combine, root));
  }

  /**
   * {@link reduce} with the result at all ranks (MPI_Allreduce; MPI 4.1, 6.9.6). Every rank combines the same values in the same order.
   * @throws MpiError as {@link reduce}
   */
  allreduce(value: T, combine: (lower: T, higher: T) => T): StartedRequest<T> {
    return this.#start((values) => prepare.allreduceObjects(values, value, combine));
  }

  /** {@link allreduce}, blocking the thread. */
  allreduceSync(value: T, combine: (lower: T, higher: T) => T): T {
    return this.#run((values) => prepare.allreduceObjects(values, value, combine));
  }

  /**
   * Combines the values of the ranks up to this one (MPI_Scan; MPI 4.1, 6.11.1).
   * @throws MpiError as {@link reduce}
   */
  scan(value: T, combine: (lower: T, higher: T) => T): StartedRequest<T> {
    return this.#start((values) => prepare.scanObjects(values, value, combine));
  }

  /** {@link scan}, blocking the thread. */
  scanSync(value: T, combine: (lower: T, higher: T) => T): T {
    return this.#run((values) => prepare.scanObjects(values, value, combine));
  }

  /**
   * Combines the values of the ranks before this one (MPI_Exscan; MPI 4.1, 6.11.2).
   * @returns undefined at rank 0
   * @throws MpiError as {@link reduce}
   */
  exscan(value: T, combine: (lower: T, higher: T) => T): StartedRequest<T | undefined> {
    return this.#start((values) => prepare.exscanObjects(values, value, combine));
  }

  /** {@link exscan}, blocking the thread. */
  exscanSync(value: T, combine: (lower: T, higher: T) => T): T | undefined {
    return this.#run((values) => prepare.exscanObjects(values, value, combine));
  }
}
