/**
 * Receives (MPI 4.1, 3.2 and 3.7). The next packet of a quiet context is the one that matching would give:
 * it is taken at once. Everything else, errors too, is told apart on the slow path.
 */
import { isBytes, NO_BYTES, plainLength } from '../../base/bytes.ts';
import { PROC_NULL } from '../../base/constants.ts';
import { PENDING, RECEIVE } from '../../messaging/operation.ts';
import { checkReceiveTag, checkSource, checkStatus, isReceiveTag } from '../arguments.ts';
import { type Data, type Payload, roomOf } from '../datatype/data.ts';
import type { Endpoint } from './endpoint.ts';
import { CompleteRequest, Request, TRANSIENT } from './request.ts';
import { type ReceiveOptions, signalOf, untilAborted } from './signal.ts';
import type { StartedRequest } from './started-request.ts';
import { Status } from './status.ts';
import { waitWithin } from './timeout.ts';

export function recvSync(
  endpoint: Endpoint,
  buffer: Data | null,
  source: number,
  tag: number,
  status: Status,
): Status {
  const peer = endpoint.peerFrom(source);
  if (peer !== undefined && isReceiveTag(tag) && status instanceof Status) {
    const { engine, messages } = endpoint;
    if (
      messages.quiet
        ? engine.tryReceiveNow(peer, endpoint.contextFrom(source), tag, buffer, status)
        : plainLength(buffer) > 0 &&
          engine.receiving.small.take(peer, messages, tag, buffer as Uint8Array, status)
    ) {
      status.source = source | 0;
      return status;
    }
  }
  return receiveSlowly(endpoint, buffer, source, tag, status);
}

function receiveSlowly(
  endpoint: Endpoint,
  buffer: Data | null,
  source: number,
  tag: number,
  status: Status,
): Status {
  const payload = checkReceive(endpoint, buffer, source, tag);
  checkStatus(status);
  if (source === PROC_NULL) return status.setNull();
  const { engine, pool } = endpoint;
  const request = pool.borrow(payload, endpoint.worldOf(source), tag, RECEIVE);
  engine.receiving.receive(request);
  if (request.state === PENDING) waitForReceive(endpoint, request);
  pool.giveBack(request);
  return request.fill(status);
}

/** The bytes to fill. @throws MpiError where an argument is bad */
export function checkReceive(
  endpoint: Endpoint,
  buffer: Data | null,
  source: number,
  tag: number,
): Payload {
  endpoint.checkAlive();
  const payload = roomOf(buffer, source);
  checkSource(source, endpoint.size);
  checkReceiveTag(tag);
  return payload;
}

/** A receive that nobody can complete is taken back. */
function waitForReceive(endpoint: Endpoint, request: Request): void {
  try {
    waitWithin(endpoint, request);
  } catch (error) {
    // One that has met its message goes on.
    if (!endpoint.engine.receiving.cancel(request)) endpoint.engine.completion.track(request);
    throw error;
  }
}

export function irecv(
  endpoint: Endpoint,
  buffer: Data | null,
  source: number,
  tag: number,
): StartedRequest {
  const peer = endpoint.peerFrom(source);
  if (peer === undefined || !isReceiveTag(tag)) return irecvSlowly(endpoint, buffer, source, tag);
  if (endpoint.messages.quiet) {
    const taken = endpoint.engine.tryTake(peer, endpoint.contextFrom(source), tag, buffer);
    if (taken >= 0) return new CompleteRequest(source | 0, peer.channel.takenTag, taken);
  }
  const length = plainLength(buffer);
  if (length <= 0) return irecvSlowly(endpoint, buffer, source, tag);
  const { engine, messages, context } = endpoint;
  const request = new Request(endpoint, buffer as Uint8Array, length, context, peer.rank, tag);
  engine.receiving.receiveIn(messages, peer, request);
  if (request.state === PENDING) engine.completion.track(request);
  return request;
}

/** {@link irecv} of what is unusual, and for the library's own use. */
export function irecvSlowly(
  endpoint: Endpoint,
  buffer: Data | null,
  source: number,
  tag: number,
): Request {
  const payload = checkReceive(endpoint, buffer, source, tag);
  return startReceive(endpoint, payload, source, tag, endpoint.context);
}

export function startReceive(
  endpoint: Endpoint,
  payload: Payload,
  source: number,
  tag: number,
  context: number,
): Request {
  if (source === PROC_NULL) return Request.ofNobody(endpoint, context);
  const peer = endpoint.peerFrom(source);
  const { engine, messages } = endpoint;
  if (peer !== undefined && context === endpoint.context && isBytes(payload) && messages.quiet) {
    const taken = engine.tryTake(peer, endpoint.contextFrom(source), tag, payload);
    if (taken >= 0) {
      const { takenTag } = peer.channel;
      return new Request(endpoint, NO_BYTES, 0, context, peer.rank, takenTag).completeWith(taken);
    }
  }
  return post(endpoint, Request.of(endpoint, payload, context, endpoint.worldOf(source), tag));
}

function post({ engine }: Endpoint, request: Request): Request {
  engine.receiving.receive(request);
  if (request.state === PENDING) engine.completion.track(request);
  return request;
}

export function recv(
  endpoint: Endpoint,
  buffer: Data | null,
  source: number,
  tag: number,
  options: ReceiveOptions | undefined,
): Promise<Status> {
  try {
    const signal = signalOf(options);
    const request = irecv(endpoint, buffer, source, tag);
    // What is not complete is one of ours.
    if (request.state === PENDING) (request as Request).kind |= TRANSIENT;
    if (signal === undefined) return request.promise();
    return untilAborted(request, signal, ({ status }) => status);
  } catch (error) {
    return Promise.reject(error);
  }
}
