/** Collective operations between two groups (MPI 4.1, 6.2.2 and 6.2.3): what one group gives, the other gets. */

import type { Engine } from '../../messaging/engine.ts';
import { CommunicatorObject } from '../communicator-object.ts';
import type { Sides } from '../construction/inter.ts';
import type { Data, Elements, Strided } from '../datatype/data.ts';
import { Endpoint } from '../point-to-point/endpoint.ts';
import type { StartedRequest } from '../point-to-point/started-request.ts';
import type { Session } from '../session.ts';
import type { AnyBlocks, Blocks } from './blocks.ts';
import { Calls } from './calls.ts';
import { preparedPlain } from './collectives.ts';
import {
  prepareInterAllgather,
  prepareInterAlltoall,
  prepareInterBarrier,
  prepareInterBcast,
  prepareInterGather,
} from './inter.ts';
import {
  prepareInterAllgatherv,
  prepareInterAlltoallv,
  prepareInterGatherv,
  prepareInterScatter,
  prepareInterScatterv,
} from './inter-blocks.ts';
import type { Prepared } from './prepared.ts';
import type { Schedule } from './schedule.ts';

export abstract class InterCollectives extends CommunicatorObject {
  /** @internal This group's own, for what it has to agree about. */
  readonly local: Endpoint;
  /** @internal Its collective calls, in their order. */
  readonly calls: Calls;

  /** @internal */
  constructor(engine: Engine, { pair, local, group, remote }: Sides, session: Session) {
    super(engine, pair, group, remote, session, '');
    this.local = new Endpoint(engine, local, group, group.rank, session);
    this.local.name = this.endpoint.name;
    this.calls = new Calls(this.endpoint, this.local);
  }

  /**
   * Ends when every rank of both groups has called it (MPI_Barrier; MPI 4.1, 6.3).
   * @throws MpiError ERR_MISMATCH, ERR_FINALIZED, ERR_CLOSED, ERR_PEER_FAILED
   */
  barrier(): StartedRequest<void> {
    return this.calls.start(() => prepareInterBarrier(this.endpoint, this.local));
  }

  /** {@link barrier}, blocking the thread. */
  barrierSync(): void {
    this.calls.runSync(prepareInterBarrier(this.endpoint, this.local));
  }

  /**
   * {@link free}, once every rank of both groups has called it (MPI_Comm_disconnect; MPI 4.1, 11.10.4). It does not wait
   * for requests: what was started goes on to its end.
   * @throws MpiError ERR_MISMATCH, ERR_FINALIZED, ERR_CLOSED, ERR_PEER_FAILED; what a hook of an attribute throws
   */
  disconnect(): StartedRequest<void> {
    return this.calls.start(() => this.#disconnect());
  }

  /** {@link disconnect}, blocking the thread. */
  disconnectSync(): void {
    this.calls.runSync(this.#disconnect());
  }

  #disconnect(): Prepared<void> {
    const barrier = prepareInterBarrier(this.endpoint, this.local);
    return preparedPlain('disconnect', (tag) => freedAfter(this, barrier.schedule(tag)));
  }

  /**
   * Gives all ranks of the other group what the root has (MPI_Bcast; MPI 4.1, 6.4).
   * @param data what is sent at the root; what is filled in the other group. The root's group beside it may pass anything
   * @param root {@link ROOT} at the root, {@link PROC_NULL} in its group beside it, the root's rank in the other group
   * @returns the data
   * @throws MpiError ERR_BUFFER, ERR_RANK, ERR_MISMATCH, ERR_FINALIZED, ERR_CLOSED, ERR_PEER_FAILED
   */
  bcast<D extends Data | null>(data: D, root: number): StartedRequest<D> {
    return this.calls.start(() => prepareInterBcast(this.endpoint, this.local, data, root));
  }

  /** {@link bcast}, blocking the thread. */
  bcastSync<D extends Data | null>(data: D, root: number): D {
    return this.calls.runSync(prepareInterBcast(this.endpoint, this.local, data, root));
  }

  /**
   * Gives the root a block of each rank of the other group (MPI_Gather; MPI 4.1, 6.5).
   * @param send a block; in the root's group it is not looked at, but at the root for its type where `receive` is left out
   * @param receive at the root room for all blocks, in the order of the ranks
   * @param root as of {@link bcast}
   * @returns at the root all blocks; elsewhere null
   * @throws MpiError ERR_COUNT; as {@link bcast}
   */
  gather<A extends Elements>(
    send: A | null,
    receive: A | null,
    root: number,
  ): StartedRequest<A | null> {
    return this.calls.start(() => prepareInterGather(this.endpoint, send, receive, root));
  }

  /** {@link gather}, blocking the thread. */
  gatherSync<A extends Elements>(send: A | null, receive: A | null, root: number): A | null {
    return this.calls.runSync(prepareInterGather(this.endpoint, send, receive, root));
  }

  /**
   * {@link gather} of blocks of any length (MPI_Gatherv; MPI 4.1, 6.5).
   * @param receive at the root a block for each rank of the other group, as long as what that rank sends
   * @throws MpiError as {@link gather}; ERR_ARG where `receive` is no list of blocks
   */
  gatherv<A extends Elements>(
    send: A | Strided<A> | null,
    receive: Blocks<A> | null,
    root: number,
  ): StartedRequest<Blocks<A> | null> {
    return this.calls.start(() => prepareInterGatherv(this.endpoint, send, receive, root));
  }

  /** {@link gatherv}, blocking the thread. */
  gathervSync<A extends Elements>(
    send: A | Strided<A> | null,
    receive: Blocks<A> | null,
    root: number,
  ): Blocks<A> | null {
    return this.calls.runSync(prepareInterGatherv(this.endpoint, send, receive, root));
  }

  /**
   * Gives each rank of the other group its block of what the root has (MPI_Scatter; MPI 4.1, 6.6).
   * @param send at the root a block for each rank of the other group, side by side; elsewhere it is not looked at
   * @param receive in the other group room for a block
   * @param root as of {@link bcast}
   * @returns in the other group the block; elsewhere null
   * @throws MpiError ERR_COUNT; as {@link bcast}
   */
  scatter<A extends Elements>(
    send: A | null,
    receive: A | null,
    root: number,
  ): StartedRequest<A | null> {
    return this.calls.start(() => prepareInterScatter(this.endpoint, send, receive, root));
  }

  /** {@link scatter}, blocking the thread. */
  scatterSync<A extends Elements>(send: A | null, receive: A | null, root: number): A | null {
    return this.calls.runSync(prepareInterScatter(this.endpoint, send, receive, root));
  }

  /**
   * {@link scatter} of blocks of any length (MPI_Scatterv; MPI 4.1, 6.6).
   * @param send at the root a block for each rank of the other group, as long as the room that this rank has
   * @throws MpiError as {@link gatherv}
   */
  scatterv<A extends Elements>(
    send: Blocks<A> | null,
    receive: A | Strided<A> | null,
    root: number,
  ): StartedRequest<A | Strided<A> | null> {
    return this.calls.start(() => prepareInterScatterv(this.endpoint, send, receive, root));
  }

  /** {@link scatterv}, blocking the thread. */
  scattervSync<A extends Elements>(
    send: Blocks<A> | null,
    receive: A | Strided<A> | null,
    root: number,
  ): A | Strided<A> | null {
    return this.calls.runSync(prepareInterScatterv(this.endpoint, send, receive, root));
  }

  /**
   * Gives all ranks of each group a block of each rank of the other one (MPI_Allgather; MPI 4.1, 6.7).
   * @param send this rank's block, as long at all ranks of its group
   * @param receive room for the blocks of the other group: new memory if all ranks of both groups leave it out
   * @returns the blocks of the other group
   * @throws MpiError ERR_COUNT, ERR_NO_MEM; as {@link bcast}
   */
  allgather<A extends Elements>(send: A, receive?: A): StartedRequest<A> {
    return this.calls.start(() => prepareInterAllgather(this.endpoint, this.local, send, receive));
  }

  /** {@link allgather}, blocking the thread. */
  allgatherSync<A extends Elements>(send: A, receive?: A): A {
    return this.calls.runSync(prepareInterAllgather(this.endpoint, this.local, send, receive));
  }

  /**
   * {@link allgather} of blocks of any length (MPI_Allgatherv; MPI 4.1, 6.7).
   * @param receive a block for each rank of the other group, as long as what that rank sends. Where all ranks of both groups leave
   *   it out, the lengths are exchanged first, and each block is an array of its own
   * @throws MpiError as {@link gatherv}
   */
  allgatherv<A extends Elements>(
    send: A | Strided<A>,
    receive?: Blocks<A>,
  ): StartedRequest<Blocks<A>> {
    return this.calls.start(() => prepareInterAllgatherv(this.endpoint, send, receive));
  }

  /** {@link allgatherv}, blocking the thread. */
  allgathervSync<A extends Elements>(send: A | Strided<A>, receive?: Blocks<A>): Blocks<A> {
    return this.calls.runSync(prepareInterAllgatherv(this.endpoint, send, receive));
  }

  /**
   * Gives each rank a block of each rank of the other group (MPI_Alltoall; MPI 4.1, 6.8).
   * @param send a block for each rank of the other group
   * @param receive room for a block of each: new memory, as long as what is sent, if left out
   * @returns the blocks of the other group
   * @throws MpiError ERR_COUNT, ERR_NO_MEM; as {@link bcast}
   */
  alltoall<A extends Elements>(send: A, receive?: A): StartedRequest<A> {
    return this.calls.start(() => prepareInterAlltoall(this.endpoint, send, receive));
  }

  /** {@link alltoall}, blocking the thread. */
  alltoallSync<A extends Elements>(send: A, receive?: A): A {
    return this.calls.runSync(prepareInterAlltoall(this.endpoint, send, receive));
  }

  /**
   * {@link alltoall} of blocks of any length, type and layout (MPI_Alltoallv, MPI_Alltoallw; MPI 4.1, 6.8).
   * @param receive a block for each rank of the other group, as long and of the same type as what that rank sends
   * @throws MpiError as {@link gatherv}
   */
  alltoallv<B extends AnyBlocks>(send: AnyBlocks, receive: B): StartedRequest<B> {
    return this.calls.start(() => prepareInterAlltoallv(this.endpoint, send, receive));
  }

  /** {@link alltoallv}, blocking the thread. */
  alltoallvSync<B extends AnyBlocks>(send: AnyBlocks, receive: B): B {
    return this.calls.runSync(prepareInterAlltoallv(this.endpoint, send, receive));
  }
}

function* freedAfter(inter: InterCollectives, schedule: Schedule<void>): Schedule<void> {
  yield* schedule;
  inter.free();
}
