/** A send and a receive that end together (MPI 4.1, 3.10). */
import { PROC_NULL } from '../../base/constants.ts';
import type { MpiError } from '../../base/error.ts';
import { SEND } from '../../messaging/operation.ts';
import { copyOf, type Data, type Payload } from '../datatype/data.ts';
import type { Endpoint } from './endpoint.ts';
import { checkReceive, startReceive } from './receive.ts';
import { Request } from './request.ts';
import { checkSend, startSend } from './send.ts';

/** Starts both. */
export function startPair(
  endpoint: Endpoint,
  sendBuffer: Data | null,
  destination: number,
  sendTag: number,
  receiveBuffer: Data | null,
  source: number,
  receiveTag: number,
): [receive: Request, send: Request] {
  const { engine, context } = endpoint;
  const outgoing = checkSend(endpoint, sendBuffer, destination, sendTag);
  const incoming = checkReceive(endpoint, receiveBuffer, source, receiveTag);
  // Fails before the receive takes a message.
  if (destination !== PROC_NULL) engine.peer(endpoint.worldOf(destination));
  const receive = startReceive(endpoint, incoming, source, receiveTag, context);
  return [receive, startPart(endpoint, outgoing, destination, sendTag, context)];
}

/** The same with one buffer: what is sent is copied before the other message comes. */
export function startReplacing(
  endpoint: Endpoint,
  buffer: Data | null,
  destination: number,
  sendTag: number,
  source: number,
  receiveTag: number,
): [receive: Request, send: Request] {
  const outgoing = checkSend(endpoint, buffer, destination, sendTag);
  checkReceive(endpoint, buffer, source, receiveTag);
  const copy = destination === PROC_NULL ? null : copyOf(outgoing);
  return startPair(endpoint, copy, destination, sendTag, buffer, source, receiveTag);
}

/** The library's own: a message to one member, and one of another's. */
export function exchange(
  endpoint: Endpoint,
  outgoing: Payload,
  destination: number,
  incoming: Payload,
  source: number,
  tag: number,
): [receive: Request, send: Request] {
  const receive = receiveOwn(endpoint, incoming, source, tag);
  return [receive, sendOwn(endpoint, outgoing, destination, tag)];
}

/** A message of the library's own. One that cannot start has failed. */
export function sendOwn(
  endpoint: Endpoint,
  bytes: Payload,
  destination: number,
  tag: number,
): Request {
  return startPart(endpoint, bytes, destination, tag, endpoint.context + 1);
}

export function receiveOwn(
  endpoint: Endpoint,
  bytes: Payload,
  source: number,
  tag: number,
): Request {
  return startReceive(endpoint, bytes, source, tag, endpoint.context + 1);
}

/** A send that cannot start is one that has failed: it has parts beside it that have begun. */
function startPart(
  endpoint: Endpoint,
  payload: Payload,
  destination: number,
  tag: number,
  context: number,
): Request {
  try {
    return startSend(endpoint, payload, destination, tag, context);
  } catch (error) {
    const request = Request.of(endpoint, payload, context, destination, tag);
    request.kind = SEND;
    endpoint.engine.completion.fail(request, error as MpiError);
    return request;
  }
}
