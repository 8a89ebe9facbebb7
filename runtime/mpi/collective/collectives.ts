/** Collective communication (MPI 4.1, 6): the calls of every communicator of one group. */
import type { ContextPair, Members } from '../../messaging/contexts/pair.ts';
import type { Engine } from '../../messaging/engine.ts';
import { CommunicatorObject } from '../communicator-object.ts';
import type { Group } from '../group.ts';
import type { StartedRequest } from '../point-to-point/started-request.ts';
import type { Session } from '../session.ts';
import { prepareBarrier } from './barrier.ts';
import { Calls } from './calls.ts';
import type { RepeatedCall } from './lines/repeated.ts';
import type { Prepared } from './prepared.ts';
import type { Schedule } from './schedule.ts';
import { type OperationName, plainSignature } from './signature.ts';

export abstract class Collectives extends CommunicatorObject {
  /** @internal Its collective calls, in their order. */
  readonly calls: Calls;
  #barriers: RepeatedCall<void> | null = null;

  /** @internal @param pair its contexts; null for the world. @param members those whom a call can name */
  constructor(
    engine: Engine,
    pair: ContextPair | null,
    group: Group,
    members: Members,
    session: Session,
    name: string,
  ) {
    super(engine, pair, group, members, session, name);
    this.calls = new Calls(this.endpoint);
  }

  /**
   * Ends when every rank of the communicator has called it (MPI_Barrier; MPI 4.1, 6.3).
   * @throws MpiError ERR_MISMATCH, ERR_FINALIZED, ERR_CLOSED, ERR_PEER_FAILED
   */
  barrier(): StartedRequest<void> {
    const barriers = this.#barriers;
    if (barriers !== null && !barriers.refused) return this.calls.startAgain(barriers);
    const prepared = prepareBarrier(this.endpoint);
    this.#barriers = this.calls.repeatable(prepared);
    return this.calls.start(() => prepared);
  }

  /** {@link barrier}, blocking the thread. */
  barrierSync(): void {
    const barriers = this.#barriers;
    if (barriers !== null && !barriers.refused) barriers.run();
    else this.#firstBarrier();
  }

  #firstBarrier(): void {
    const { calls } = this;
    const prepared = prepareBarrier(this.endpoint);
    this.#barriers = calls.repeatable(prepared);
    if (this.#barriers === null) calls.runSync(prepared);
    else this.#barriers.run();
  }

  /** @internal Its contexts and its lines go. */
  protected override giveUp(): void {
    super.giveUp();
    this.calls.freeLines();
  }
}

/** What needs no more than a number: the making of communicators. */
export function preparedPlain<Result>(
  operation: OperationName,
  schedule: (tag: number) => Schedule<Result>,
): Prepared<Result> {
  return { signature: plainSignature(operation), algorithm: 0, memory: [], schedule };
}
