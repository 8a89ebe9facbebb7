/** Communicators (MPI 4.1, 7): a group of ranks and a context in which their messages match. */
import type { Engine } from '../messaging/engine.ts';
import { barrier, barrierSync } from './collective/barrier.ts';
import { PointToPoint } from './point-to-point/point-to-point.ts';
import type { Request } from './point-to-point/request.ts';
import { signal } from './point-to-point/sendrecv.ts';

/** Ranks that talk to each other, each by its number in one group. */
export class Communicator extends PointToPoint {
  /** How many ranks there are. */
  readonly size: number;

  /**
   * @internal
   * @param group world ranks by rank; null: the same
   * @param alive throws where MPI may not be used any more
   */
  constructor(
    engine: Engine,
    context: number,
    group: readonly number[] | null,
    rank: number,
    alive: () => void,
  ) {
    super(engine, context, group, rank, alive);
    this.size = this.endpoint.size;
  }

  /** @internal A zero-byte exchange in the context of collective operations. */
  signal(destination: number, source: number, tag: number): [Request, Request] {
    return signal(this.endpoint, destination, source, tag);
  }

  /** Returns when every rank of the communicator has called it (MPI 4.1, 6.3). */
  async barrier(): Promise<void> {
    this.endpoint.checkAlive();
    await barrier(this);
  }

  /** {@link barrier}, blocking the thread. */
  barrierSync(): void {
    this.endpoint.checkAlive();
    barrierSync(this);
  }
}
