/**
 * Sends (MPI 4.1, 3.2 and 3.7). What is usual goes at once; everything else, errors too, is told apart on
 * the slow path.
 */
import { plainLength } from '../../base/bytes.ts';
import { PROC_NULL } from '../../base/constants.ts';
import { MpiError } from '../../base/error.ts';
import { COMPLETE, PENDING, SEND, SYNCHRONOUS } from '../../messaging/operation.ts';
import type { Peer } from '../../messaging/peer.ts';
import { checkDestination, checkTag, isTag } from '../arguments.ts';
import { type Data, type Payload, payloadOf, sizeOf } from '../datatype/data.ts';
import type { Endpoint } from './endpoint.ts';
import { Request } from './request.ts';
import { waitWithin } from './timeout.ts';

const DONE = Promise.resolve();

/**
 * Sends what is usual and has room at once. All of it together is just short enough for V8 to inline it.
 * @returns the message's length; 0: it has not been sent
 */
export function sendAtOnce(
  endpoint: Endpoint,
  buffer: Data | null,
  destination: number,
  tag: number,
): number {
  const peer = endpoint.peerTo(destination);
  if (peer === undefined || !isTag(tag)) return 0;
  const again = peer.program.trySendAgain(endpoint.context, tag, buffer);
  return again > 0 ? again : sendFirst(peer, endpoint.context, buffer, tag);
}

function sendFirst(peer: Peer, context: number, buffer: Data | null, tag: number): number {
  const length = plainLength(buffer);
  if (length <= 0 || length > peer.packetBytes) return 0;
  return peer.program.trySendNow(context, tag, buffer as Uint8Array, length) ? length : 0;
}

export function sendSlowly(
  endpoint: Endpoint,
  buffer: Data | null,
  destination: number,
  tag: number,
  synchronous = false,
): void {
  const payload = checkSend(endpoint, buffer, destination, tag);
  if (destination === PROC_NULL) return;
  const { engine, pool } = endpoint;
  const world = endpoint.worldOf(destination);
  if (world === engine.rank) prepareSelfSend(endpoint, tag, sizeOf(payload), synchronous);
  const request = pool.borrow(payload, world, tag, synchronous ? SEND | SYNCHRONOUS : SEND);
  engine.send(request);
  waitForSend(endpoint, request);
  pool.giveBack(request);
}

/** A send that nobody has received in time goes on. */
function waitForSend(endpoint: Endpoint, request: Request): void {
  try {
    waitWithin(endpoint, request);
  } catch (error) {
    endpoint.engine.completion.track(request);
    throw error;
  }
}

/** The bytes to send. @throws MpiError where an argument is bad */
export function checkSend(
  endpoint: Endpoint,
  buffer: Data | null,
  destination: number,
  tag: number,
): Payload {
  endpoint.checkAlive();
  const payload = payloadOf(buffer, destination);
  checkDestination(destination, endpoint.size);
  checkTag(tag);
  return payload;
}

/** A blocked rank cannot post the receive that its own message may need. */
function prepareSelfSend(
  { engine, context, rank }: Endpoint,
  tag: number,
  length: number,
  synchronous: boolean,
): void {
  // What was sent to ourselves before goes to its receives, and makes room in the queue.
  engine.progress();
  if (engine.receiving.awaitsFromSelf(context, tag)) return;
  if (!synchronous && engine.takesNow(engine.rank, length)) return;
  throw new MpiError(
    'ERR_DEADLOCK',
    `a blocking send of ${length} bytes to this rank itself would wait for ever: post the receive first (irecv), or use ${synchronous ? 'issend' : 'isend'}`,
    { rank, peer: rank, tag },
  );
}

export function isendSlowly(
  endpoint: Endpoint,
  buffer: Data | null,
  destination: number,
  tag: number,
  synchronous = false,
): Request {
  const payload = checkSend(endpoint, buffer, destination, tag);
  return startSend(endpoint, payload, destination, tag, endpoint.context, synchronous);
}

export function startSend(
  endpoint: Endpoint,
  payload: Payload,
  destination: number,
  tag: number,
  context: number,
  synchronous = false,
): Request {
  if (destination === PROC_NULL) return Request.ofNobody(endpoint, context);
  const request = Request.of(endpoint, payload, context, endpoint.worldOf(destination), tag);
  request.kind = synchronous ? SEND | SYNCHRONOUS : SEND;
  endpoint.engine.send(request);
  if (request.state === PENDING) endpoint.engine.completion.track(request);
  return request;
}

export function send(
  endpoint: Endpoint,
  buffer: Data | null,
  destination: number,
  tag: number,
): Promise<void> {
  try {
    if (sendAtOnce(endpoint, buffer, destination, tag) > 0) return DONE;
    return endOf(isendSlowly(endpoint, buffer, destination, tag));
  } catch (error) {
    return Promise.reject(error);
  }
}

/** A synchronous send as a promise. */
export function ssend(
  endpoint: Endpoint,
  buffer: Data | null,
  destination: number,
  tag: number,
): Promise<void> {
  try {
    return endOf(isendSlowly(endpoint, buffer, destination, tag, true));
  } catch (error) {
    return Promise.reject(error);
  }
}

function endOf(request: Request): Promise<void> {
  return request.state === COMPLETE ? DONE : request.promise().then(nothing);
}

function nothing(): void {}
