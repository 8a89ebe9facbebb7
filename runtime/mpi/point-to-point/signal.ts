/** Receives and probes that an AbortSignal takes back. A send cannot be (its message may be matched). */
import { inWords } from '../../base/bytes.ts';
import { MpiError } from '../../base/error.ts';
import type { StartedRequest } from './started-request.ts';

/** What is needed of an AbortSignal. */
export interface Abortable {
  /** Whether it was aborted. */
  readonly aborted: boolean;
  /** Why; what the call that it takes back is rejected with. */
  readonly reason: unknown;
  /** Does nothing, unless it was aborted. @throws the reason */
  throwIfAborted(): void;
  /** Calls when it is aborted. @throws nothing */
  addEventListener(type: 'abort', listener: () => void, options?: { once?: boolean }): void;
  /** Ends that. @throws nothing */
  removeEventListener(type: 'abort', listener: () => void): void;
}

/** Options of calls that wait for a message (MPI 4.1, 3.2.4). */
export interface ReceiveOptions {
  /** Takes the call back, unless its message has been matched: then it goes on. The promise is rejected with the signal's reason. */
  signal?: Abortable | undefined;
}

/** @throws MpiError ERR_ARG where these are no options; the signal's reason where it was aborted before */
export function signalOf(options: ReceiveOptions | undefined): Abortable | undefined {
  if (options === undefined) return undefined;
  if (typeof options !== 'object' || options === null)
    throw new MpiError('ERR_ARG', `the options are ${inWords(options)}, not an object`);
  const { signal } = options;
  if (signal === undefined) return undefined;
  if (typeof signal?.addEventListener !== 'function' || typeof signal.aborted !== 'boolean')
    throw new MpiError('ERR_ARG', `the option signal is ${inWords(signal)}, not an AbortSignal`);
  signal.throwIfAborted();
  return signal;
}

/** The end of a request, unless the signal comes before its message. */
export async function untilAborted<Receive extends StartedRequest, Result>(
  request: Receive,
  signal: Abortable | undefined,
  result: (request: Receive) => Result,
): Promise<Result> {
  if (signal === undefined) {
    await request.promise();
    return result(request);
  }
  const abort = () => request.cancel();
  signal.addEventListener('abort', abort, { once: true });
  try {
    const status = await request.promise();
    if (status.cancelled) throw signal.reason;
    return result(request);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
