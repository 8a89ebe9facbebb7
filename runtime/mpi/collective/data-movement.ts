/** Collective operations that move data (MPI 4.1, 6.3 to 6.8). */
import type { Data, Elements, Strided } from '../datatype/data.ts';
import type { Codec } from '../point-to-point/objects/codec.ts';
import { msgpackCodec } from '../point-to-point/objects/msgpack.ts';
import type { StartedRequest } from '../point-to-point/started-request.ts';
import { prepareAllgather, prepareAllgatherv } from './allgather.ts';
import { prepareAlltoall } from './alltoall.ts';
import { prepareAlltoallv } from './alltoallv.ts';
import type { InPlace } from './arguments.ts';
import { prepareBcast } from './bcast.ts';
import type { AnyBlocks, Blocks } from './blocks.ts';
import { Collectives } from './collectives.ts';
import { prepareGather, prepareGatherv } from './gather.ts';
import { CollectiveObjects } from './objects.ts';
import { PersistentCollectives } from './persistent-collectives.ts';
import { prepareScatter, prepareScatterv } from './scatter.ts';

export abstract class DataMovement extends Collectives {
  #persistent: PersistentCollectives | null = null;

  /** Makes operations that are started again and again, collective ones too (MPI 4.1, 3.9 and 6.13). */
  override get persistent(): PersistentCollectives {
    this.#persistent ??= new PersistentCollectives(this.endpoint, this.calls);
    return this.#persistent;
  }

  /**
   * Values in place of buffers, as of {@link PointToPoint.objects}; of all ranks at once, too.
   * @throws MpiError ERR_ARG where it is no codec
   */
  override objects<T = unknown>(
    codec: Codec<T> = msgpackCodec as Codec<T>,
  ): CollectiveObjects<T, this> {
    return new CollectiveObjects<T, this>(this, this.calls, codec);
  }

  /**
   * Gives all ranks what the root has (MPI_Bcast; MPI 4.1, 6.4).
   * @param data what is sent at the root; what is filled elsewhere, as long and of the same type
   * @param root the same at all ranks
   * @returns the data
   * @throws MpiError ERR_BUFFER, ERR_RANK, ERR_MISMATCH, ERR_FINALIZED, ERR_CLOSED, ERR_PEER_FAILED
   */
  bcast<D extends Data>(data: D, root = 0): StartedRequest<D> {
    return this.calls.startCall(prepareBcast<D>, data, root);
  }

  /** {@link bcast}, blocking the thread. */
  bcastSync<D extends Data>(data: D, root = 0): D {
    return this.calls.block(prepareBcast<D>, data, root);
  }

  /**
   * Gives the root a block of each rank (MPI_Gather; MPI 4.1, 6.5).
   * @param send this rank's block, as long at all ranks. IN_PLACE at the root: its block is where it belongs
   * @param receive at the root room for all blocks, in the order of the ranks: new memory if left out; elsewhere it is not looked at
   * @returns at the root all blocks; elsewhere null
   * @throws MpiError ERR_COUNT where the room is not that of all blocks; ERR_BUFFER, ERR_RANK, ERR_NO_MEM, ERR_MISMATCH,
   *   ERR_FINALIZED, ERR_CLOSED, ERR_PEER_FAILED
   */
  gather<A extends Elements>(
    send: A | InPlace,
    receive?: A | null,
    root = 0,
  ): StartedRequest<A | null> {
    return this.calls.startCall(prepareGather<A>, send, receive, root);
  }

  /** {@link gather}, blocking the thread. */
  gatherSync<A extends Elements>(send: A | InPlace, receive?: A | null, root = 0): A | null {
    return this.calls.block(prepareGather<A>, send, receive, root);
  }

  /**
   * {@link gather} of blocks of any length (MPI_Gatherv; MPI 4.1, 6.5).
   * @param receive at the root a block for each rank, as long as what that rank sends
   * @throws MpiError as {@link gather}; ERR_ARG where `receive` is no list of blocks
   */
  gatherv<A extends Elements>(
    send: A | Strided<A> | InPlace,
    receive?: Blocks<A> | null,
    root = 0,
  ): StartedRequest<Blocks<A> | null> {
    return this.calls.start(() => prepareGatherv(this.endpoint, send, receive, root));
  }

  /** {@link gatherv}, blocking the thread. */
  gathervSync<A extends Elements>(
    send: A | Strided<A> | InPlace,
    receive?: Blocks<A> | null,
    root = 0,
  ): Blocks<A> | null {
    return this.calls.runSync(prepareGatherv(this.endpoint, send, receive, root));
  }

  /**
   * Gives each rank its block of what the root has (MPI_Scatter; MPI 4.1, 6.6).
   * @param send at the root a block for each rank, side by side; elsewhere it is not looked at
   * @param receive room for this rank's block. IN_PLACE at the root: its block stays where it is
   * @returns this rank's block
   * @throws MpiError as {@link gather}
   */
  scatter<A extends Elements>(send: A | null, receive: A | InPlace, root = 0): StartedRequest<A> {
    return this.calls.startCall(prepareScatter<A>, send, receive, root);
  }

  /** {@link scatter}, blocking the thread. */
  scatterSync<A extends Elements>(send: A | null, receive: A | InPlace, root = 0): A {
    return this.calls.block(prepareScatter<A>, send, receive, root);
  }

  /**
   * {@link scatter} of blocks of any length (MPI_Scatterv; MPI 4.1, 6.6).
   * @param send at the root a block for each rank, as long as the room that this rank has
   * @throws MpiError as {@link gatherv}
   */
  scatterv<A extends Elements>(
    send: Blocks<A> | null,
    receive: A | Strided<A> | InPlace,
    root = 0,
  ): StartedRequest<A | Strided<A>> {
    return this.calls.start(() => prepareScatterv(this.endpoint, send, receive, root));
  }

  /** {@link scatterv}, blocking the thread. */
  scattervSync<A extends Elements>(
    send: Blocks<A> | null,
    receive: A | Strided<A> | InPlace,
    root = 0,
  ): A | Strided<A> {
    return this.calls.runSync(prepareScatterv(this.endpoint, send, receive, root));
  }

  /**
   * Gives all ranks a block of each (MPI_Allgather; MPI 4.1, 6.7).
   * @param send this rank's block, as long at all ranks. IN_PLACE: it is where it belongs
   * @param receive room for all blocks, in the order of the ranks: new memory if left out
   * @returns all blocks
   * @throws MpiError as {@link gather}
   */
  allgather<A extends Elements>(send: A | InPlace, receive?: A): StartedRequest<A> {
    return this.calls.startCall(prepareAllgather<A>, send, receive);
  }

  /** {@link allgather}, blocking the thread. */
  allgatherSync<A extends Elements>(send: A | InPlace, receive?: A): A {
    return this.calls.block(prepareAllgather<A>, send, receive);
  }

  /**
   * {@link allgather} of blocks of any length (MPI_Allgatherv; MPI 4.1, 6.7).
   * @param receive a block for each rank, as long as what that rank sends. Where all ranks leave it out, the
   *   lengths are exchanged first, and each block is an array of its own
   * @returns the blocks
   * @throws MpiError as {@link gatherv}
   */
  allgatherv<A extends Elements>(
    send: A | Strided<A> | InPlace,
    receive?: Blocks<A>,
  ): StartedRequest<Blocks<A>> {
    return this.calls.start(() => prepareAllgatherv(this.endpoint, send, receive));
  }

  /** {@link allgatherv}, blocking the thread. */
  allgathervSync<A extends Elements>(
    send: A | Strided<A> | InPlace,
    receive?: Blocks<A>,
  ): Blocks<A> {
    return this.calls.runSync(prepareAllgatherv(this.endpoint, send, receive));
  }

  /**
   * Gives each rank a block of each other one (MPI_Alltoall; MPI 4.1, 6.8).
   * @param send a block for each rank, side by side, as long at all ranks. IN_PLACE at all ranks: what is sent is in `receive`
   * @param receive room for a block of each rank: new memory if left out
   * @returns the blocks of all ranks
   * @throws MpiError as {@link gather}
   */
  alltoall<A extends Elements>(send: A | InPlace, receive?: A): StartedRequest<A> {
    return this.calls.startCall(prepareAlltoall<A>, send, receive);
  }

  /** {@link alltoall}, blocking the thread. */
  alltoallSync<A extends Elements>(send: A | InPlace, receive?: A): A {
    return this.calls.block(prepareAlltoall<A>, send, receive);
  }

  /**
   * {@link alltoall} of blocks of any length, type and layout (MPI_Alltoallv, MPI_Alltoallw; MPI 4.1, 6.8).
   * @param receive a block for each rank, as long and of the same type as what that rank sends
   * @throws MpiError as {@link gatherv}
   */
  alltoallv<B extends AnyBlocks>(send: AnyBlocks | InPlace, receive: B): StartedRequest<B> {
    return this.calls.start(() => prepareAlltoallv(this.endpoint, send, receive));
  }

  /** {@link alltoallv}, blocking the thread. */
  alltoallvSync<B extends AnyBlocks>(send: AnyBlocks | InPlace, receive: B): B {
    return this.calls.runSync(prepareAlltoallv(this.endpoint, send, receive));
  }
}
