/**
 * Sends (MPI 4.1, 3.2 and 3.7). What is usual goes at once; everything else, errors too, is told apart on
 * the slow path.
 */
import { lengthOf, plainLength } from '../../base/bytes.ts';
import { PROC_NULL } from '../../base/constants.ts';
import { MpiError } from '../../base/error.ts';
import { COMPLETE, PENDING } from '../../messaging/operation.ts';
import { checkDestination, checkTag, isTag } from '../arguments.ts';
import { bytesOf, type MessageBuffer } from './buffer.ts';
import type { Endpoint } from './endpoint.ts';
import { CompleteSend, Request } from './request.ts';
import type { StartedRequest } from './started-request.ts';

const DONE = Promise.resolve();

/**
 * Sends what is usual and has room at once.
 * @returns the message's length; 0: it has not been sent
 */
function sendAtOnce(
  endpoint: Endpoint,
  buffer: MessageBuffer | null,
  destination: number,
  tag: number,
): number {
  const length = plainLength(buffer);
  if (length <= 0 || !isTag(tag)) return 0;
  const peer = endpoint.peerTo(destination);
  if (peer === undefined || length > peer.pieceBytes) return 0;
  return peer.trySendNow(endpoint.context, tag, buffer as Uint8Array, length) ? length : 0;
}

export function sendSync(
  endpoint: Endpoint,
  buffer: MessageBuffer | null,
  destination: number,
  tag: number,
): void {
  if (sendAtOnce(endpoint, buffer, destination, tag) === 0)
    sendSlowly(endpoint, buffer, destination, tag, false);
}

/** A send that ends no sooner than a receive has matched it (MPI 4.1, 3.4). */
export function ssendSync(
  endpoint: Endpoint,
  buffer: MessageBuffer | null,
  destination: number,
  tag: number,
): void {
  sendSlowly(endpoint, buffer, destination, tag, true);
}

function sendSlowly(
  endpoint: Endpoint,
  buffer: MessageBuffer | null,
  destination: number,
  tag: number,
  synchronous: boolean,
): void {
  const bytes = checkSend(endpoint, buffer, destination, tag);
  if (destination === PROC_NULL) return;
  const { engine, pool } = endpoint;
  const world = endpoint.worldOf(destination);
  if (world === engine.rank) prepareSelfSend(endpoint, tag, lengthOf(bytes), synchronous);
  const request = pool.borrow(bytes, world, tag, true);
  request.synchronous = synchronous;
  engine.send(request);
  engine.wait(request);
  pool.giveBack(request);
}

/** The bytes to send. @throws MpiError where an argument is bad */
export function checkSend(
  endpoint: Endpoint,
  buffer: MessageBuffer | null,
  destination: number,
  tag: number,
): Uint8Array {
  endpoint.checkAlive();
  const bytes = bytesOf(buffer, destination);
  checkDestination(destination, endpoint.size);
  checkTag(tag);
  return bytes;
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

export function isend(
  endpoint: Endpoint,
  buffer: MessageBuffer | null,
  destination: number,
  tag: number,
): StartedRequest {
  const length = sendAtOnce(endpoint, buffer, destination, tag);
  if (length > 0) return new CompleteSend(endpoint, destination, tag, length);
  return isendSlowly(endpoint, buffer, destination, tag, false);
}

/** {@link ssendSync} as a request. */
export function issend(
  endpoint: Endpoint,
  buffer: MessageBuffer | null,
  destination: number,
  tag: number,
): Request {
  return isendSlowly(endpoint, buffer, destination, tag, true);
}

function isendSlowly(
  endpoint: Endpoint,
  buffer: MessageBuffer | null,
  destination: number,
  tag: number,
  synchronous: boolean,
): Request {
  const bytes = checkSend(endpoint, buffer, destination, tag);
  return startSend(endpoint, bytes, destination, tag, endpoint.context, synchronous);
}

export function startSend(
  endpoint: Endpoint,
  bytes: Uint8Array,
  destination: number,
  tag: number,
  context: number,
  synchronous = false,
): Request {
  if (destination === PROC_NULL) return Request.ofNobody(endpoint, context);
  const request = new Request(endpoint, bytes, context, endpoint.worldOf(destination), tag);
  request.isSend = true;
  request.synchronous = synchronous;
  endpoint.engine.send(request);
  if (request.state === PENDING) endpoint.engine.completion.track(request);
  return request;
}

export function send(
  endpoint: Endpoint,
  buffer: MessageBuffer | null,
  destination: number,
  tag: number,
): Promise<void> {
  try {
    if (sendAtOnce(endpoint, buffer, destination, tag) > 0) return DONE;
    return endOf(isendSlowly(endpoint, buffer, destination, tag, false));
  } catch (error) {
    return Promise.reject(error);
  }
}

/** {@link ssendSync} as a promise. */
export function ssend(
  endpoint: Endpoint,
  buffer: MessageBuffer | null,
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
