/**
 * `DREG_DEBUG=requests`: who forgets a request is told where it was made. The program then has a request of its own, which
 * nothing but the program holds: where that is collected while the operation is under way, nobody will hear of its end.
 */
import { inWords } from '../../base/bytes.ts';
import { ANY_SOURCE, ANY_TAG } from '../../base/constants.ts';
import { MpiError } from '../../base/error.ts';
import { type CallSite, callsOf, noteCallSite } from '../../messaging/deadlock/call-site.ts';
import { PENDING } from '../../messaging/operation.ts';
import { DerivedRequest } from './derived-request.ts';
import { Message } from './message.ts';
import { PointToPoint } from './point-to-point.ts';
import { StartedRequest } from './started-request.ts';

/** The calls that give a request of one message. */
const CALLS: [object, string[]][] = [
  [PointToPoint.prototype, ['isend', 'issend', 'irecv']],
  [Message.prototype, ['irecv', 'take']],
];

interface Made {
  readonly request: StartedRequest<unknown>;
  readonly call: string;
  readonly site: CallSite;
}

/** Those that the program has, and that were not complete when they were made. */
const underWay = new Set<Made>();
const dropped = new FinalizationRegistry<Made>((made) => {
  if (underWay.delete(made) && made.request.state === PENDING) tell(made, 'was dropped');
});

/**
 * @environment DREG_DEBUG | `requests` | a request that the program drops while its operation is under way, or has not
 *   heard of at `MPI.finalize()`, is told on stderr, with the place where it was made: of `isend`, `issend`, `irecv`, and
 *   of a message's `irecv` and `take`. It costs microseconds a request
 * @throws MpiError ERR_ARG
 */
export function watchRequests(): void {
  const what = process.env.DREG_DEBUG || '';
  if (what === '') return;
  if (what !== 'requests')
    throw new MpiError('ERR_ARG', `DREG_DEBUG is ${inWords(what)}; it may be requests`);
  for (const [prototype, names] of CALLS) for (const name of names) watch(prototype, name);
}

function watch(prototype: object, name: string): void {
  const method = Reflect.get(prototype, name) as (...words: unknown[]) => unknown;
  const value = function (this: object, ...words: unknown[]): unknown {
    const request = method.apply(this, words);
    if (!(request instanceof StartedRequest) || request.state !== PENDING) return request;
    const made = { request, call: name, site: noteCallSite() };
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

function tell({ request, call, site }: Made, what: string): void {
  const { owner, peer, tag, isSend } = request;
  const whom = peer === ANY_SOURCE ? 'any rank' : `rank ${owner.rankOf(peer)}`;
  const which = tag === ANY_TAG ? 'any tag' : `tag ${tag}`;
  process.stderr.write(
    `dreg-mpi: a request of rank ${owner.engine.rank}, ${call} ${isSend ? 'to' : 'from'} ${whom}, ${which}, ${what}: wait for it, or await it; it was made\n${callsOf(site)}\n`,
  );
}
