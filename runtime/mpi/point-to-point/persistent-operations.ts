/** `comm.persistent`: operations that are made once and started often. */
import { ANY_SOURCE, ANY_TAG } from '../../base/constants.ts';
import type { Data } from '../datatype/data.ts';
import type { Endpoint } from './endpoint.ts';
import { PartitionedReceive } from './partitioned-receive.ts';
import { PartitionedSend } from './partitioned-send.ts';
import { type Persistent, PersistentReceive, PersistentSend } from './persistent.ts';

/**
 * Makers of persistent operations (MPI 4.1, 3.9), under the names of the operations. Arguments are checked
 * when an operation is made; what is made moves nothing until it is started.
 */
export class PersistentOperations {
  readonly #endpoint: Endpoint;

  /** @internal */
  constructor(endpoint: Endpoint) {
    this.#endpoint = endpoint;
  }

  /**
   * A standard send (MPI_Send_init; MPI 4.1, 3.9).
   * @param buffer sent as it is when a round starts
   * @throws MpiError ERR_BUFFER, ERR_RANK, ERR_TAG, ERR_FINALIZED
   */
  send(buffer: Data | null, destination: number, tag = 0): Persistent<void> {
    return new PersistentSend(this.#endpoint, buffer, destination, tag, false);
  }

  /**
   * A synchronous send (MPI_Ssend_init; MPI 4.1, 3.9); as {@link send}.
   * @throws MpiError as {@link send}
   */
  ssend(buffer: Data | null, destination: number, tag = 0): Persistent<void> {
    return new PersistentSend(this.#endpoint, buffer, destination, tag, true);
  }

  /**
   * A receive (MPI_Recv_init; MPI 4.1, 3.9).
   * @throws MpiError ERR_BUFFER, ERR_RANK, ERR_TAG, ERR_FINALIZED
   */
  recv(buffer: Data | null, source = ANY_SOURCE, tag = ANY_TAG): Persistent {
    return new PersistentReceive(this.#endpoint, buffer, source, tag);
  }

  /**
   * A send whose buffer is filled part by part (MPI_Psend_init; MPI 4.1, 4.2). A worker that has
   * filled a partition stores 1 in its word: `Atomics.store(flags, partition, 1)`; or the main thread calls `ready`.
   * It matches the `precv` with the same tag, in the order in which both were made.
   * @param partitions how many; the buffer's length is a multiple of it
   * @throws MpiError ERR_COUNT, ERR_BUFFER, ERR_RANK, ERR_TAG, ERR_FINALIZED, ERR_PEER_FAILED
   */
  psend(buffer: Data | null, partitions: number, destination: number, tag = 0): PartitionedSend {
    return new PartitionedSend(this.#endpoint, buffer, partitions, destination, tag);
  }

  /**
   * A receive that says which parts of its buffer are there (MPI_Precv_init; MPI 4.1, 4.2). It may have
   * other partitions than its sender. There are no wildcards.
   * @throws MpiError as {@link psend}
   */
  precv(buffer: Data | null, partitions: number, source: number, tag: number): PartitionedReceive {
    return new PartitionedReceive(this.#endpoint, buffer, partitions, source, tag);
  }
}
