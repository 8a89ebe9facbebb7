/** Sends and receives objects: a first message in the program's context, the rest in the library's. */
import { NO_BYTES } from '../../../base/bytes.ts';
import { PROC_NULL } from '../../../base/constants.ts';
import { MpiError } from '../../../base/error.ts';
import { bytesOf } from '../buffer.ts';
import type { Endpoint } from '../endpoint.ts';
import { OBJECT_ACK_TAG, OBJECT_REST_TAG } from '../library-tags.ts';
import { startReceive } from '../receive.ts';
import type { Request } from '../request.ts';
import { checkSend, sendAtOnce, startSend } from '../send.ts';
import type { Codec } from './codec.ts';
import { type Envelope, First, hasStream, hasViews, isSynchronous, noObject } from './envelope.ts';

/** Memory for first messages, used again. */
export class FirstPool {
  readonly #idle: First[] = [];

  take(): First {
    return this.#idle.pop() ?? new First();
  }

  giveBack(first: First): void {
    this.#idle.push(first);
  }
}

/** A value in bytes. */
export interface Encoded {
  readonly stream: Uint8Array;
  readonly views: readonly Uint8Array[];
}

/** @throws MpiError ERR_ARG where the codec cannot; ERR_BUFFER of an array that is detached or too long */
export function encode<T>(codec: Codec<T>, value: T): Encoded {
  const views: ArrayBufferView[] = [];
  let stream: Uint8Array;
  try {
    stream = codec.encode(value, views);
  } catch (error) {
    if (error instanceof MpiError) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw new MpiError('ERR_ARG', `a value cannot be sent as an object: ${why}`, { cause: error });
  }
  return { stream: bytesOf(stream), views: views.map((view) => bytesOf(view)) };
}

/**
 * Starts to send an object, whose arguments have been checked.
 * @param first is written, and belongs to the requests
 * @returns what has to end; nothing, where the object is on its way
 */
export function startObject(
  endpoint: Endpoint,
  { stream, views }: Encoded,
  first: First,
  destination: number,
  tag: number,
  synchronous: boolean,
): Request[] {
  const { envelope, message } = first.put(stream, views, synchronous);
  const context = endpoint.context + 1;
  const requests: Request[] = [];
  if (sendAtOnce(endpoint, message, destination, tag) === 0)
    requests.push(startSend(endpoint, message, destination, tag, endpoint.context));
  const rest = OBJECT_REST_TAG | envelope.id;
  const send = (bytes: Uint8Array) =>
    requests.push(startSend(endpoint, bytes, destination, rest, context));
  if (!hasStream(envelope)) {
    if (views.length > 0) send(bytesOf(Float64Array.from(views, ({ length }) => length)));
    send(stream);
  }
  if (!hasViews(envelope)) for (const view of views) send(view);
  if (synchronous)
    requests.push(
      startReceive(endpoint, NO_BYTES, destination, OBJECT_ACK_TAG | envelope.id, context),
    );
  return requests;
}

/** @throws MpiError where an argument is bad */
export function checkObject(endpoint: Endpoint, destination: number, tag: number): void {
  checkSend(endpoint, NO_BYTES, destination, tag);
  if (destination !== PROC_NULL) endpoint.engine.peer(endpoint.worldOf(destination));
}

/**
 * Takes the object of which `first` has the first message. Yields what has to end before it goes on.
 * @throws MpiError ERR_PROTOCOL where it is no object; ERR_NO_MEM, and what was to come is dropped
 */
export function* takeObject<T>(
  endpoint: Endpoint,
  codec: Codec<T>,
  first: First,
  received: number,
  source: number,
): Generator<Request[], T> {
  const envelope = first.envelope(received);
  const requests: Request[] = [];
  if (isSynchronous(envelope)) {
    const tag = OBJECT_ACK_TAG | envelope.id;
    requests.push(startSend(endpoint, NO_BYTES, source, tag, endpoint.context + 1));
  }
  let left = messagesBehind(envelope);
  const take = (length: number) => {
    try {
      const bytes = newMemory(length);
      requests.push(startRest(endpoint, envelope, source, bytes));
      left--;
      return bytes;
    } catch (error) {
      // The sender waits for nobody in vain.
      while (left-- > 0) requests.push(startRest(endpoint, envelope, source, NO_BYTES));
      for (const request of requests) request.whenEnded(() => request.tell());
      throw error;
    }
  };
  let lengths = first.lengths(envelope);
  let stream = first.stream(envelope);
  if (!hasStream(envelope)) {
    const table = envelope.views > 0 ? take(8 * envelope.views) : null;
    stream = take(envelope.length);
    yield requests.splice(0);
    lengths = table === null ? new Float64Array(0) : new Float64Array(table.buffer);
  }
  const views = hasViews(envelope)
    ? first.views(envelope)
    : Array.from(lengths, (length) => take(length));
  if (requests.length > 0) yield requests;
  try {
    return codec.decode(stream, views);
  } catch (error) {
    throw error instanceof MpiError ? error : noObject(error);
  }
}

/** How many messages follow the first one: the lengths of arrays, the codec's bytes, the arrays. */
function messagesBehind(envelope: Envelope): number {
  const { views } = envelope;
  return (hasStream(envelope) ? 0 : views > 0 ? 2 : 1) + (hasViews(envelope) ? 0 : views);
}

/** Starts to receive a message that follows the first one. */
function startRest(
  endpoint: Endpoint,
  { id }: Envelope,
  source: number,
  bytes: Uint8Array,
): Request {
  return startReceive(endpoint, bytes, source, OBJECT_REST_TAG | id, endpoint.context + 1);
}

/** (Memory that is not cleared first.) @throws MpiError ERR_NO_MEM; ERR_PROTOCOL where it is no length */
function newMemory(length: number): Uint8Array {
  if (!Number.isSafeInteger(length) || length < 0) throw noObject();
  try {
    return new Uint8Array(Buffer.allocUnsafeSlow(length).buffer);
  } catch (cause) {
    throw new MpiError('ERR_NO_MEM', `there is no memory for ${length} bytes of an object`, {
      cause,
    });
  }
}
