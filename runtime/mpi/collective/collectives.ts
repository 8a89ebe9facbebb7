/** Collective communication (MPI 4.1, 6): the calls of every communicator of one group. */
import { CommunicatorObject } from '../communicator-object.ts';
import type { StartedRequest } from '../point-to-point/started-request.ts';
import { barrier } from './barrier.ts';
import { BarrierCalls, LineBarrier } from './lines/barrier.ts';
import { Lines } from './lines/lines.ts';
import { LineRequest } from './lines/request.ts';
import { runSync, type Schedule, ScheduledRequest } from './schedule.ts';

/** Tags of the library's context that collective calls use in turn; those above are of partitioned operations. */
const COLLECTIVE_TAGS = 2 ** 29;

export abstract class Collectives extends CommunicatorObject {
  #calls = 0;
  /** From the first collective call on; null: there are none. */
  #lines: Lines | null | undefined = undefined;
  #barriers: BarrierCalls | null = null;

  /**
   * @internal The tag of this collective call: calls match in the order in which they are made, whatever
   * order they come to their ends in.
   * @throws MpiError ERR_FINALIZED, ERR_CLOSED
   */
  protected nextCall(): number {
    this.endpoint.checkAlive();
    this.#calls = (this.#calls + 1) % COLLECTIVE_TAGS;
    return this.#calls;
  }

  /** @internal Runs a schedule by whatever makes progress. */
  protected start<Result>(begin: () => Schedule<Result>): StartedRequest<Result> {
    return new ScheduledRequest(this.endpoint, begin);
  }

  /**
   * Ends when every rank of the communicator has called it (MPI_Barrier; MPI 4.1, 6.3).
   * @throws MpiError ERR_FINALIZED, ERR_CLOSED, ERR_PEER_FAILED
   */
  barrier(): StartedRequest<void> {
    const lines = this.#linesOf();
    if (lines !== null) return new LineRequest<void>(lines, new LineBarrier(lines), () => {});
    return this.start(() => barrier(this.endpoint, this.nextCall()));
  }

  /** {@link barrier}, blocking the thread. */
  barrierSync(): void {
    const barriers = this.#barriers;
    if (barriers !== null) barriers.run();
    else this.#firstBarrier();
  }

  #firstBarrier(): void {
    const lines = this.#linesOf();
    if (lines === null) {
      runSync(barrier(this.endpoint, this.nextCall()));
      return;
    }
    this.#barriers = new BarrierCalls(lines);
    this.#barriers.run();
  }

  /** The control lines; null where the ranks have no memory in common. */
  #linesOf(): Lines | null {
    if (this.#lines !== undefined) return this.#lines;
    this.endpoint.checkAlive();
    this.#lines = Lines.reach(this.endpoint) ? new Lines(this.endpoint) : null;
    return this.#lines;
  }

  protected override giveUp(): void {
    super.giveUp();
    this.#lines ??= Lines.reach(this.endpoint) ? new Lines(this.endpoint) : null;
    this.#lines?.free();
  }
}
