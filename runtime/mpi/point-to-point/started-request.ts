/** Requests as programs see them (MPI 4.1, 3.7). */
import { ANY_SOURCE } from '../../base/constants.ts';
import type { MpiError } from '../../base/error.ts';
import type { Members } from '../../messaging/contexts/pair.ts';
import type { CallSite } from '../../messaging/deadlock/call-site.ts';
import type { WaitedOperation } from '../../messaging/deadlock/waits.ts';
import type { Engine } from '../../messaging/engine.ts';
import { COMPLETE, FAILED, PENDING } from '../../messaging/operation.ts';
import { callSiteOf, holdAwaited } from './awaited.ts';
import { testAll, waitAll, whenAll } from './request-list.ts';
import { testAny, testSome, waitAny, waitSome, whenAny } from './request-set.ts';
import type { Status } from './status.ts';
import { within } from './timeout.ts';
import { Waitable } from './waitable.ts';

/** What a request needs of its communicator. */
export interface Owner {
  readonly engine: Engine;
  /** The longest that a wait takes, in whole milliseconds. */
  readonly timeout: number;
  /** The rank in the communicator of a rank of the world, which the wire knows. */
  rankOf(world: number): number;
  /** Those that can be addressed. */
  readonly members: Members;
  /** What errors and tables call the communicator. */
  readonly name: string;
  /** Of the program's messages; the next one is the library's own. */
  readonly context: number;
}

/**
 * An operation that was started (MPI_Request; MPI 4.1, 3.7.1). It may be awaited, tested, or waited for; its buffer belongs to the
 * operation until it has ended.
 *
 * In the calls on several requests, `null` is a request that is not active, and so is one of whose end the
 * program has heard before: from `wait()`, `test()`, `await`, or one of these calls.
 *
 * @typeParam R what the operation ends with: a {@link Status}, unless said otherwise
 */
export abstract class StartedRequest<R = Status> extends Waitable implements PromiseLike<R> {
  /** @internal */
  abstract override readonly owner: Owner;
  /** @internal What it ends with. */
  abstract readonly result: R;
  /** What a receive brought, what a send took. Meaningful once complete. */
  abstract readonly status: Status;

  /** Whether the operation has ended, well or not, without making progress. */
  get done(): boolean {
    return this.state !== PENDING;
  }

  /**
   * Makes progress once (MPI_Test; MPI 4.1, 3.7.3).
   * @returns whether the operation is complete
   * @throws MpiError with which the operation failed
   */
  test(): boolean {
    if (this.state === PENDING) this.owner.engine.progress();
    if (this.state === PENDING) return false;
    this.tell();
    if (this.state === FAILED) throw this.error;
    return true;
  }

  /**
   * Blocks the thread until the operation is complete (MPI_Wait; MPI 4.1, 3.7.3).
   * @returns what the operation ends with
   * @throws MpiError with which the operation failed; ERR_DEADLOCK where only this rank itself could
   *   complete it, and ERR_TIMEOUT where it took longer than `comm.timeout`: it is then still under way
   */
  wait(): R {
    if (this.state === PENDING) this.waitForEnd();
    this.tell();
    if (this.state === FAILED) throw this.error;
    return this.result;
  }

  /**
   * Takes a posted receive back (MPI_Cancel; MPI 4.1, 3.8.4): it is then complete, and
   * `status.cancelled` says so. A send cannot be cancelled.
   * @returns false where it is no receive, or has met its message already: it goes on as if not cancelled
   * @throws nothing
   */
  cancel(): boolean {
    return false;
  }

  /**
   * Makes a request awaitable: `await request` gives what {@link wait} returns.
   * @throws MpiError as {@link wait}, by the promise
   */
  // biome-ignore lint/suspicious/noThenProperty: a request is awaited as a promise is
  then<A = R, B = never>(
    onComplete?: ((result: R) => A | PromiseLike<A>) | null,
    onError?: ((error: MpiError) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.promise().then(onComplete, onError);
  }

  /**
   * {@link then} for the error alone, as of a promise.
   * @throws what `onError` throws, by the promise
   */
  catch<B = never>(onError?: ((error: MpiError) => B | PromiseLike<B>) | null): Promise<R | B> {
    return this.promise().catch(onError);
  }

  /**
   * Calls when the operation has ended, well or not, as of a promise.
   * @throws MpiError as {@link wait}, by the promise; what `onEnd` throws
   */
  finally(onEnd?: (() => void) | null): Promise<R> {
    return this.promise().finally(onEnd);
  }

  /** @internal The operation as a promise; polls a while before it leaves the work to the loop. */
  promise(): Promise<R> {
    if (this.state === PENDING) this.owner.engine.loop.poll(this);
    if (this.state !== PENDING) this.tell();
    if (this.state === COMPLETE) return Promise.resolve(this.result);
    if (this.state === FAILED) return Promise.reject(this.error);
    return within(this.owner, this, endOf(this), () => this.takeBack());
  }

  /** @internal Where the program has started it, if that was noted. */
  get site(): CallSite | null {
    return null;
  }

  /** @internal Its time is over: what nobody else could wait for is taken back. */
  protected takeBack(): void {}

  /**
   * @internal Somebody awaits it: the process lives until it has ended, unless only the process itself
   * could end it.
   * @param site where it is awaited
   * @param abandoned is called where nobody will ever end it
   * @returns ends that
   */
  hold(site: CallSite | null, abandoned: (error: MpiError) => void): () => void {
    const { engine } = this.owner;
    if (this.peer !== engine.rank) return holdAwaited(engine, this, site, abandoned);
    engine.loop.wake();
    return nothing;
  }

  /** @internal Nobody will ever end it. */
  giveUp(error: MpiError, abandoned: (error: MpiError) => void): void {
    abandoned(error);
  }

  /** @internal For those who are told what this rank waits for. */
  describe(): WaitedOperation {
    const { owner, peer, tag, isSend } = this;
    const self = owner.engine.rank;
    const any = peer === ANY_SOURCE;
    return {
      operation: isSend ? 'send' : 'recv',
      peer: any ? ANY_SOURCE : owner.rankOf(peer),
      tag,
      communicator: owner.name,
      from: any ? others(owner.members, self) : [peer],
    };
  }

  /** @internal */
  waits(): { mode: 'all' | 'any'; operations: WaitedOperation[] } {
    return { mode: 'all', operations: [this.describe()] };
  }

  /**
   * Blocks until all are complete (MPI_Waitall; MPI 4.1, 3.7.5). Their statuses are in the requests.
   * @throws MpiError ERR_REQUEST where they are no requests; of the first in order that failed, after all
   *   have ended; of one that can never end ERR_DEADLOCK, after all others have
   */
  static waitAll(requests: readonly (StartedRequest<unknown> | null)[]): void {
    waitAll(requests);
  }

  /**
   * Blocks until one has ended, of which the program has not heard yet (MPI_Waitany; MPI 4.1,
   * 3.7.5). The cost does not
   * depend on how many there are, where the same array is given again and again.
   * @returns its place in the array; -1 where none is active
   * @throws MpiError that it failed with; ERR_REQUEST, ERR_DEADLOCK, ERR_TIMEOUT
   */
  static waitAny(requests: readonly (StartedRequest<unknown> | null)[]): number {
    return waitAny(requests);
  }

  /**
   * Blocks until at least one has ended (MPI_Waitsome; MPI 4.1, 3.7.5), and gives all that have.
   * @param indices filled and returned, if given, instead of a new array
   * @returns their places in the array, in the order in which they ended; none where none is active
   * @throws MpiError ERR_ARG where `indices` is no array; as {@link waitAny}; those that ended before the one that failed are given first, and
   *   the error by the next call
   */
  static waitSome(
    requests: readonly (StartedRequest<unknown> | null)[],
    indices: number[] = [],
  ): number[] {
    return waitSome(requests, indices);
  }

  /**
   * Makes progress, and says whether all are complete (MPI_Testall; MPI 4.1, 3.7.5).
   * @throws MpiError as {@link waitAll}, once all have ended
   */
  static testAll(requests: readonly (StartedRequest<unknown> | null)[]): boolean {
    return testAll(requests);
  }

  /**
   * {@link waitAny} without waiting (MPI_Testany; MPI 4.1, 3.7.5).
   * @returns the place of one that has ended; -1 where none is active, or none has ended
   * @throws MpiError as {@link waitAny}
   */
  static testAny(requests: readonly (StartedRequest<unknown> | null)[]): number {
    return testAny(requests);
  }

  /**
   * {@link waitSome} without waiting (MPI_Testsome; MPI 4.1, 3.7.5): the places of those that have ended, if any.
   * @throws MpiError as {@link waitSome}
   */
  static testSome(
    requests: readonly (StartedRequest<unknown> | null)[],
    indices: number[] = [],
  ): number[] {
    return testSome(requests, indices);
  }

  /**
   * {@link waitAll} as one promise, where Promise.all would make one for each request.
   * @throws MpiError as {@link waitAll}
   */
  static async all(requests: readonly (StartedRequest<unknown> | null)[]): Promise<void> {
    await whenAll(requests);
  }

  /**
   * {@link waitAny} as a promise.
   * @throws MpiError as {@link waitAny}
   */
  static async any(requests: readonly (StartedRequest<unknown> | null)[]): Promise<number> {
    return whenAny(requests);
  }
}

/** No private method: with one V8 would call two built-ins for each request that is made. */
function endOf<R>(request: StartedRequest<R>): Promise<R> {
  const site = request.site ?? callSiteOf(request.owner.engine);
  return new Promise((resolve, reject) => {
    const release = request.hold(site, reject);
    request.whenEnded(() => {
      release();
      request.tell();
      if (request.state === FAILED) reject(request.error);
      else resolve(request.result);
    });
  });
}

function nothing(): void {}

function others(members: Members, self: number): number[] {
  const worlds = Array.from({ length: members.size }, (_, rank) => members.worldOf(rank));
  return worlds.filter((world) => world !== self);
}
