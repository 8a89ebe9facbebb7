/**
 * Receives (MPI 4.1, 3.2 and 3.7). The next packet of a quiet context is the one that matching would give:
 * it is taken at once. Everything else, errors too, is told apart on the slow path.
 */
import { isBytes, lengthOf, NO_BYTES, plainLength } from '../../base/bytes.ts';
import { PROC_NULL } from '../../base/constants.ts';
import { PENDING } from '../../messaging/operation.ts';
import type { Peer } from '../../messaging/peer.ts';
import { checkReceiveTag, checkSource, checkStatus, isReceiveTag } from '../arguments.ts';
import { type Data, type Payload, roomOf } from '../datatype/data.ts';
import type { Endpoint } from './endpoint.ts';
import { Request } from './request.ts';
import { type ReceiveOptions, signalOf, untilAborted } from './signal.ts';
import { Status } from './status.ts';
import { waitWithin } from './timeout.ts';

export function recvSync(
  endpoint: Endpoint,
  buffer: Data | null,
  source: number,
  tag: number,
  status: Status,
): Status {
  if (plainLength(buffer) > 0 && isReceiveTag(tag) && status instanceof Status) {
    const peer = endpoint.peerFrom(source);
    if (peer !== undefined && endpoint.messages.quiet) {
      const context = endpoint.contextFrom(source);
      if (endpoint.engine.tryReceiveNow(peer, context, tag, buffer as Uint8Array, status)) {
        status.source = source | 0;
        return status;
      }
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
  const request = pool.borrow(payload, endpoint.worldOf(source), tag, false);
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
): Request {
  const peer = endpoint.peerFrom(source);
  if (peer !== undefined && isReceiveTag(tag)) {
    const length = plainLength(buffer);
    if (length > 0) return startFrom(endpoint, buffer as Uint8Array, length, source, tag, peer);
  }
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
  if (peer !== undefined && context === endpoint.context && isBytes(payload))
    return startFrom(endpoint, payload, lengthOf(payload), source, tag, peer);
  return post(endpoint, Request.of(endpoint, payload, context, endpoint.worldOf(source), tag));
}

/** Of a message of the program's. */
function startFrom(
  endpoint: Endpoint,
  bytes: Uint8Array,
  length: number,
  source: number,
  tag: number,
  peer: Peer,
): Request {
  if (endpoint.messages.quiet) {
    const taken = endpoint.engine.tryTake(peer, endpoint.contextFrom(source), tag, bytes);
    if (taken >= 0) return received(endpoint, peer, taken);
  }
  return post(endpoint, new Request(endpoint, bytes, length, endpoint.context, peer.rank, tag));
}

function post({ engine }: Endpoint, request: Request): Request {
  engine.receiving.receive(request);
  if (request.state === PENDING) engine.completion.track(request);
  return request;
}

/** A receive that is complete when it starts. */
function received(endpoint: Endpoint, peer: Peer, length: number): Request {
  const { context } = endpoint;
  const request = new Request(endpoint, NO_BYTES, 0, context, peer.rank, peer.channel.takenTag);
  return request.completeWith(length);
}

export function recv(
  endpoint: Endpoint,
  buffer: Data | null,
  source: number,
  tag: number,
  options: ReceiveOptions | undefined,
): Promise<Status> {
  try {
    if (options !== undefined) {
      const signal = signalOf(options);
      const request = irecv(endpoint, buffer, source, tag);
      request.transient = true;
      return untilAborted(request, signal, ({ status }) => status);
    }
    const request = irecv(endpoint, buffer, source, tag);
    request.transient = true;
    return request.promise();
  } catch (error) {
    return Promise.reject(error);
  }
}
