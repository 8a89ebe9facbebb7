/** Communicators (MPI 4.1, 7): a group of ranks and a context in which their messages match. */
import type { ContextPair } from '../messaging/contexts/pair.ts';
import type { Engine } from '../messaging/engine.ts';
import { barrier, barrierSync } from './collective/barrier.ts';
import { Group } from './group.ts';
import { PointToPoint } from './point-to-point/point-to-point.ts';
import type { Request } from './point-to-point/request.ts';
import { signal } from './point-to-point/sendrecv.ts';

/** Ranks that talk to each other, each by its number in one group. */
export class Communicator extends PointToPoint {
  /** How many ranks there are. */
  readonly size: number;
  /** Its ranks, in order (MPI_Comm_group; MPI 4.1, 7.3.2). */
  readonly group: Group;

  /**
   * @internal
   * @param pair its contexts; null for the world
   * @param alive throws where MPI may not be used any more
   */
  constructor(engine: Engine, pair: ContextPair | null, group: Group, alive: () => void) {
    super(engine, pair, group, group.rank, alive);
    this.group = group;
    this.size = group.size;
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

/** All ranks of the job. */
export function worldOf(engine: Engine, alive: () => void): Communicator {
  return new Communicator(engine, null, Group.ofWorld(engine.rank, engine.size), alive);
}

/** This rank alone. */
export function selfOf(engine: Engine, alive: () => void): Communicator {
  const group = Group.of(engine.rank, Int32Array.of(engine.rank));
  const pair = engine.receiving.contexts.begin();
  pair.join(group, Float64Array.of(pair.serial));
  return new Communicator(engine, pair, group, alive);
}
