/**
 * Requests of which a program waits for any, or some, again and again (MPI 4.1, 3.7.5). A request that
 * ends says so to the set of its array, so that the next one that has ended costs the same among ten
 * requests and among a million.
 *
 * The array is the program's, who replaces requests that have ended by others: the set looks at the places
 * that it gave out, at all of them where the array's length has changed, and before the rank sleeps.
 */
import { inWords } from '../../base/bytes.ts';
import { ANY_SOURCE, ANY_TAG } from '../../base/constants.ts';
import { MpiError } from '../../base/error.ts';
import { Queue } from '../../base/queue.ts';
import type { WaitedOperation } from '../../messaging/deadlock/waits.ts';
import type { Engine } from '../../messaging/engine.ts';
import { type Awaited, COMPLETE, FAILED, PENDING } from '../../messaging/operation.ts';
import { type Awaitable, callSiteOf, holdAwaited } from './awaited.ts';
import { type Patience, waitWithin, within } from './timeout.ts';
import { checkRequest, checkRequests, type Requests, type Waitable } from './waitable.ts';

/** No request of the array is active. */
export const NONE_ACTIVE = -1;
/** Some are, and none of them has ended. */
export const NONE_ENDED = -2;

/** Polls before the places of the array are looked at again. */
const POLLS_A_SCAN = 64;

export class RequestSet implements Awaited, Awaitable {
  readonly isSend = false;
  readonly tag = ANY_TAG;
  readonly #requests: Requests;
  /** Active requests, and where each stands. */
  readonly #places = new Map<Waitable, number>();
  /** Those that have ended, in the order of their ends. */
  readonly #ended = new Queue<Waitable>();
  /** Places that were given out: others may stand there now. */
  #given: number[] = [];
  #length = -1;
  readonly #listeners: (() => void)[] = [];

  constructor(requests: Requests) {
    this.#requests = requests;
  }

  get state(): number {
    return this.#ended.length > 0 ? COMPLETE : PENDING;
  }

  /** This rank, where nobody else can end any of them. */
  get peer(): number {
    for (const request of this.#places.keys())
      if (request.state === PENDING && request.peer !== request.owner.engine.rank)
        return ANY_SOURCE;
    for (const { peer } of this.#places.keys()) return peer;
    return ANY_SOURCE;
  }

  get engine(): Engine | undefined {
    return this.owner?.engine;
  }

  get owner(): Patience | undefined {
    for (const request of this.#places.keys()) if (request.state === PENDING) return request.owner;
    return undefined;
  }

  /** The place of a request that has ended; {@link NONE_ENDED}, {@link NONE_ACTIVE}. It stays in the set. */
  next(): number {
    this.#look();
    const found = this.#first();
    if (found !== NONE_ENDED || this.#places.size > 0) return found;
    this.#scan();
    const last = this.#first();
    return last === NONE_ENDED && this.#places.size === 0 ? NONE_ACTIVE : last;
  }

  #first(): number {
    for (let request = this.#ended.first; request !== undefined; request = this.#ended.first) {
      const place = this.#places.get(request) ?? -1;
      if (this.#requests[place] === request && !request.told) return place;
      this.#ended.shift();
      this.#places.delete(request);
      // It stands elsewhere, or nowhere any more.
      if (!request.told) this.#scan();
    }
    return NONE_ENDED;
  }

  /** The program hears of the request that {@link next} found. */
  take(place: number): Waitable {
    const request = this.#ended.shift() as Waitable;
    this.#places.delete(request);
    this.#given.push(place);
    request.tell();
    return request;
  }

  #look(): void {
    if (this.#length !== this.#requests.length) {
      this.#scan();
      return;
    }
    const given = this.#given;
    if (given.length === 0) return;
    this.#given = [];
    for (const place of given) this.#add(place);
  }

  /** Looks at every place. */
  #scan(): void {
    this.#given = [];
    for (let place = 0; place < this.#requests.length; place++) this.#add(place);
    this.#length = this.#requests.length;
    // What was overwritten while it was active is not waited for.
    for (const [request, place] of this.#places)
      if (this.#requests[place] !== request) this.#places.delete(request);
  }

  #add(place: number): void {
    const request = this.#requests[place];
    checkRequest(request);
    if (request === null || request.told) return;
    const known = this.#places.has(request);
    this.#places.set(request, place);
    if (known) return;
    if (request.state !== PENDING) this.#ended.push(request);
    else request.whenEnded(() => this.#end(request));
  }

  #end(request: Waitable): void {
    if (!this.#places.has(request)) return;
    this.#ended.push(request);
    for (const listener of this.#listeners.splice(0)) listener();
  }

  /** Blocks until one has ended. @throws MpiError ERR_DEADLOCK, ERR_TIMEOUT */
  wait(): void {
    const { engine } = this;
    if (engine === undefined) return;
    for (let polls = POLLS_A_SCAN; polls > 0 && this.state === PENDING; polls--) engine.progress();
    if (this.state !== PENDING) return;
    this.#scan();
    const owner = this.owner;
    if (owner !== undefined) waitWithin(owner, this);
  }

  /** For those who are told what this rank waits for. */
  waits(): { mode: 'any'; operations: WaitedOperation[] } {
    const pending = [...this.#places.keys()].filter(({ state }) => state === PENDING);
    return { mode: 'any', operations: pending.map((request) => request.describe()) };
  }

  /** As one operation, which any of those can end that can end one of them. */
  describe(): WaitedOperation {
    const { operations } = this.waits();
    return {
      operation: `any of ${operations.length} requests`,
      peer: ANY_SOURCE,
      tag: ANY_TAG,
      communicator: operations[0]?.communicator ?? '',
      from: [...new Set(operations.flatMap(({ from }) => from))],
    };
  }

  /** Nobody will ever end one: the requests go on. */
  giveUp(error: MpiError, abandoned: (error: MpiError) => void): void {
    abandoned(error);
  }

  /** Calls when the next one ends. */
  whenNext(listener: () => void): void {
    this.#listeners.push(listener);
  }
}

const sets = new WeakMap<Requests, RequestSet>();

/** The set of an array. */
export function setOf(requests: Requests): RequestSet {
  checkRequests(requests);
  let set = sets.get(requests);
  if (set === undefined) {
    set = new RequestSet(requests);
    sets.set(requests, set);
  }
  return set;
}

/** The place of one that has ended, which the program hears of. @throws MpiError that it failed with */
function give(set: RequestSet, place: number): number {
  const { state, error } = set.take(place);
  if (state === FAILED) throw error;
  return place;
}

/** As many as have ended. One that failed is thrown when it is the first. */
function giveAll(set: RequestSet, requests: Requests, first: number, places: number[]): number[] {
  places.length = 0;
  for (let place = first; place >= 0; place = set.next()) {
    if (places.length > 0 && requests[place]?.state === FAILED) break;
    places.push(give(set, place));
  }
  return places;
}

/** Before any request is told. */
function checkPlaces(places: unknown): void {
  if (Array.isArray(places)) return;
  throw new MpiError(
    'ERR_ARG',
    `${inWords(places)} cannot be filled with places of requests: pass an array, or nothing`,
  );
}

export function waitAny(requests: Requests): number {
  const set = setOf(requests);
  for (;;) {
    const place = set.next();
    if (place >= 0) return give(set, place);
    if (place === NONE_ACTIVE) return -1;
    set.wait();
  }
}

export function waitSome(requests: Requests, places: number[]): number[] {
  const set = setOf(requests);
  checkPlaces(places);
  for (;;) {
    const place = set.next();
    if (place !== NONE_ENDED) return giveAll(set, requests, place, places);
    set.wait();
  }
}

/** The place of one that has ended, after some progress. */
function poll(set: RequestSet): number {
  const place = set.next();
  if (place !== NONE_ENDED) return place;
  set.engine?.progress();
  return set.next();
}

export function testAny(requests: Requests): number {
  const set = setOf(requests);
  const place = poll(set);
  return place < 0 ? -1 : give(set, place);
}

export function testSome(requests: Requests, places: number[]): number[] {
  const set = setOf(requests);
  checkPlaces(places);
  return giveAll(set, requests, poll(set), places);
}

/** The place of one that has ended, once there is one; -1: none is active. */
export async function whenAny(requests: Requests): Promise<number> {
  const set = setOf(requests);
  for (;;) {
    const place = poll(set);
    if (place >= 0) return give(set, place);
    const { owner } = set;
    if (place === NONE_ACTIVE || owner === undefined) return -1;
    const { engine } = owner;
    const awaitsOthers = set.peer !== engine.rank;
    const site = callSiteOf(engine);
    let release = () => {};
    try {
      const ended = new Promise<void>((resolve, reject) => {
        if (awaitsOthers) release = holdAwaited(engine, set, site, reject);
        else engine.loop.wake();
        set.whenNext(resolve);
      });
      await within(owner, set, ended);
    } finally {
      release();
    }
  }
}
