/**
 * `DREG_DEBUG=requests`: who forgets a request is told where it was made. The program then has a request of its own, which
 * nothing but the program holds: where that is collected while the operation is under way, nobody will hear of its end.
 */
import { inWords } from '../base/bytes.ts';
import { ANY_SOURCE, ANY_TAG } from '../base/constants.ts';
import { MpiError } from '../base/error.ts';
import { type CallSite, callsOf, noteCallSite } from '../messaging/deadlock/call-site.ts';
import { PENDING } from '../messaging/operation.ts';
import { CollectiveObjects } from './collective/objects.ts';
import { CartCommunicator, GraphCommunicator, InterCommunicator } from './communicator.ts';
import { DerivedRequest } from './point-to-point/derived-request.ts';
import { Message } from './point-to-point/message.ts';
import { PointToPoint } from './point-to-point/point-to-point.ts';
import { StartedRequest } from './point-to-point/started-request.ts';

/** Whose methods start operations, with all that they inherit. */
const STARTERS = [
  CartCommunicator,
  GraphCommunicator,
  InterCommunicator,
  CollectiveObjects,
  Message,
];

/** The calls that give a request of one message. */
const OF_ONE_MESSAGE = new Set([
  PointToPoint.prototype.isend,
  PointToPoint.prototype.issend,
  PointToPoint.prototype.irecv,
  Message.prototype.irecv,
  Message.prototype.take,
] as unknown[]);

type Method = (...words: unknown[]) => unknown;

interface Made {
  readonly request: StartedRequest<unknown>;
  readonly call: string;
  readonly ofOneMessage: boolean;
  readonly site: CallSite;
}

/** Those that the program has, and that were not complete when they were made. */
const underWay = new Set<Made>();
const dropped = new FinalizationRegistry<Made>((made) => {
  if (underWay.delete(made) && made.request.state === PENDING) tell(made, 'was dropped');
});

/**
 * @environment DREG_DEBUG | `requests` | a request that the program drops while its operation is under way, or has not
 *   heard of at `MPI.finalize()`, is told on stderr, with the place where it was made: of each call of a communicator, of its
 *   objects and of a message that gives a request. It costs microseconds a request
 * @throws MpiError ERR_ARG
 */
export function watchRequests(): void {
  const what = process.env.DREG_DEBUG || '';
  if (what === '') return;
  if (what !== 'requests')
    throw new MpiError('ERR_ARG', `DREG_DEBUG is ${inWords(what)}; it may be requests`);
  const watched = new Set<object>();
  for (const { prototype } of STARTERS)
    for (
      let type: object = prototype;
      type !== Object.prototype && !watched.has(type);
      type = Object.getPrototypeOf(type)
    ) {
      watched.add(type);
      watchAll(type);
    }
}

function watchAll(prototype: object): void {
  const properties = Object.entries(Object.getOwnPropertyDescriptors(prototype));
  for (const [name, { value }] of properties)
    if (typeof value === 'function' && name !== 'constructor') watch(prototype, name, value);
}

function watch(prototype: object, name: string, method: Method): void {
  const ofOneMessage = OF_ONE_MESSAGE.has(method);
  const value = function (this: object, ...words: unknown[]): unknown {
    const request = method.apply(this, words);
    if (!(request instanceof StartedRequest) || request.state !== PENDING) return request;
    const made = { request, call: name, ofOneMessage, site: noteCallSite() };
    const given = new DerivedRequest<unknown>(request, () => request.result);
    underWay.add(made);
    request.whenEnded(() => underWay.delete(made));
    dropped.register(given, made);
    return given;
  };
  Object.defineProperty(prototype, name, { value, configurable: true, writable: true });
}

/** The job ends: who still waits, waits in vain. */
export function tellUnderWay(): void {
  for (const made of underWay) tell(made, 'was still under way at MPI.finalize()');
  underWay.clear();
}

function tell({ request, call, ofOneMessage, site }: Made, what: string): void {
  const { owner } = request;
  const which = ofOneMessage ? `${call} ${messageOf(request)}` : `${call}() on ${owner.name}`;
  process.stderr.write(
    `dreg-mpi: a request of rank ${owner.engine.rank}, ${which}, ${what}: wait for it, or await it; it was made\n${callsOf(site)}\n`,
  );
}

function messageOf({ owner, peer, tag, isSend }: StartedRequest<unknown>): string {
  const whom = peer === ANY_SOURCE ? 'any rank' : `rank ${owner.rankOf(peer)}`;
  const which = tag === ANY_TAG ? 'any tag' : `tag ${tag}`;
  return `${isSend ? 'to' : 'from'} ${whom}, ${which}`;
}
