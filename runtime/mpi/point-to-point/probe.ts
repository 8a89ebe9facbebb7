/**
 * Probes (MPI 4.1, 3.8). A probe is posted as a receive is, and matches in the same order; it shows the
 * message, or claims it for a later receive.
 */
import { NO_BYTES } from '../../base/bytes.ts';
import { PROC_NULL } from '../../base/constants.ts';
import { CLAIM, PEEK, PENDING } from '../../messaging/operation.ts';
import { checkReceiveTag, checkSource, checkStatus } from '../arguments.ts';
import type { Endpoint } from './endpoint.ts';
import { Message } from './message.ts';
import { Request, TRANSIENT } from './request.ts';
import { type ReceiveOptions, signalOf, untilAborted } from './signal.ts';
import type { Status } from './status.ts';

/** Probes that do not wait, and find nothing, between two looks at whether other ranks have left. */
const LOOKS_A_CHECK = 1024;

/** @throws MpiError where an argument is bad */
export function checkProbe(endpoint: Endpoint, source: number, tag: number): void {
  endpoint.checkAlive();
  checkSource(source, endpoint.size);
  checkReceiveTag(tag);
}

/** Posts a probe. */
export function startProbe(
  endpoint: Endpoint,
  source: number,
  tag: number,
  kind: typeof PEEK | typeof CLAIM,
): Request {
  const { engine, context } = endpoint;
  if (source === PROC_NULL) return Request.ofNobody(endpoint, context);
  const probe = new Request(endpoint, NO_BYTES, 0, context, endpoint.worldOf(source), tag);
  probe.kind = kind | TRANSIENT;
  engine.receiving.probe(probe);
  if (probe.state === PENDING) engine.completion.track(probe);
  return probe;
}

/** A probe that nobody can end is taken back. */
function wait(probe: Request): void {
  try {
    probe.wait();
  } catch (error) {
    probe.cancel();
    throw error;
  }
}

export function probeSync(endpoint: Endpoint, source: number, tag: number, status: Status): Status {
  checkProbe(endpoint, source, tag);
  checkStatus(status);
  const probe = startProbe(endpoint, source, tag, PEEK);
  wait(probe);
  return probe.fill(status);
}

export async function probe(
  endpoint: Endpoint,
  source: number,
  tag: number,
  options?: ReceiveOptions,
): Promise<Status> {
  checkProbe(endpoint, source, tag);
  const signal = signalOf(options);
  return untilAborted(startProbe(endpoint, source, tag, PEEK), signal, ({ status }) => status);
}

export function mprobeSync(endpoint: Endpoint, source: number, tag: number): Message {
  checkProbe(endpoint, source, tag);
  const probe = startProbe(endpoint, source, tag, CLAIM);
  wait(probe);
  return new Message(endpoint, probe);
}

export async function mprobe(
  endpoint: Endpoint,
  source: number,
  tag: number,
  options?: ReceiveOptions,
): Promise<Message> {
  checkProbe(endpoint, source, tag);
  const signal = signalOf(options);
  const probe = startProbe(endpoint, source, tag, CLAIM);
  return untilAborted(probe, signal, () => new Message(endpoint, probe));
}

/** Whether a message is there now, after some progress. */
function isThere({ engine, context }: Endpoint, source: number, tag: number): boolean {
  const { receiving } = engine;
  if (receiving.peek(context, source, tag) !== null) return true;
  engine.progress();
  return receiving.peek(context, source, tag) !== null;
}

/**
 * A message may wait at its sender for credit: only what is posted is sought there. So a probe is, and
 * what it finds is there at the next look.
 */
function seek(endpoint: Endpoint, source: number, tag: number): void {
  const { receiving, failures, peers } = endpoint.engine;
  // Whoever looks again and again never sleeps, and would not hear of ranks that have left.
  if (++endpoint.looks % LOOKS_A_CHECK === 0) failures.checkPeers();
  const peer = peers[endpoint.worldOf(source)];
  if (peer !== undefined && peer.error !== null) throw peer.error;
  if (!receiving.searches) return;
  const { sought } = endpoint;
  const pattern = `${source} ${tag}`;
  if (sought.get(pattern)?.state === PENDING) return;
  sought.set(pattern, startProbe(endpoint, source, tag, PEEK));
}

/** What a probe that does not wait finds; null: nothing. */
function look(
  endpoint: Endpoint,
  source: number,
  tag: number,
  kind: typeof PEEK | typeof CLAIM,
): Request | null {
  if (source === PROC_NULL || isThere(endpoint, endpoint.worldOf(source), tag))
    return startProbe(endpoint, source, tag, kind);
  seek(endpoint, source, tag);
  return null;
}

export function iprobe(
  endpoint: Endpoint,
  source: number,
  tag: number,
  status: Status,
): Status | null {
  checkProbe(endpoint, source, tag);
  checkStatus(status);
  return look(endpoint, source, tag, PEEK)?.fill(status) ?? null;
}

export function improbe(endpoint: Endpoint, source: number, tag: number): Message | null {
  checkProbe(endpoint, source, tag);
  const probe = look(endpoint, source, tag, CLAIM);
  return probe === null ? null : new Message(endpoint, probe);
}
