/** Messages of unknown number and size, as they come. */
import { inWords } from '../../base/bytes.ts';
import { ANY_SOURCE, ANY_TAG } from '../../base/constants.ts';
import { MpiError } from '../../base/error.ts';
import { CLAIM } from '../../messaging/operation.ts';
import type { Endpoint } from './endpoint.ts';
import { Message } from './message.ts';
import { checkProbe, startProbe } from './probe.ts';
import type { Request } from './request.ts';
import { type Abortable, type ReceiveOptions, signalOf } from './signal.ts';

/** Which messages (MPI 4.1, 3.2.4). */
export interface Selection extends ReceiveOptions {
  /** Any source unless given. */
  source?: number | undefined;
  /** Any tag unless given. */
  tag?: number | undefined;
}

/** @throws MpiError where the selection is bad; the signal's reason where it was aborted before */
export function checkSelection(
  endpoint: Endpoint,
  selection: Selection,
): { source: number; tag: number; signal: Abortable | undefined } {
  if (typeof selection !== 'object' || selection === null)
    throw new MpiError('ERR_ARG', `the selection is ${inWords(selection)}, not an object`);
  const { source = ANY_SOURCE, tag = ANY_TAG } = selection;
  checkProbe(endpoint, source, tag);
  return { source, tag, signal: signalOf(selection) };
}

const OVER: IteratorReturnResult<undefined> = { done: true, value: undefined };

/** One probe for each message that the program asks for: what it does not ask for stays at its sender. */
export class Messages implements AsyncIterableIterator<Message> {
  readonly #endpoint: Endpoint;
  readonly #source: number;
  readonly #tag: number;
  readonly #signal: Abortable | undefined;
  readonly #probes = new Set<Request>();
  #over = false;

  /** @throws MpiError where the selection is bad; the signal's reason where it was aborted before */
  constructor(endpoint: Endpoint, selection: Selection) {
    const { source, tag, signal } = checkSelection(endpoint, selection);
    this.#signal = signal;
    this.#endpoint = endpoint;
    this.#source = source;
    this.#tag = tag;
    this.#signal?.addEventListener('abort', this.#end, { once: true });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<Message, undefined>> {
    if (this.#over) return OVER;
    const endpoint = this.#endpoint;
    endpoint.checkAlive();
    const probe = startProbe(endpoint, this.#source, this.#tag, CLAIM);
    this.#probes.add(probe);
    try {
      await probe.promise();
    } finally {
      this.#probes.delete(probe);
    }
    if (!probe.status.cancelled) return { done: false, value: new Message(endpoint, probe) };
    this.#signal?.throwIfAborted();
    return OVER;
  }

  /** No more messages: probes that wait are taken back. One that has met its message still gives it. */
  async return(): Promise<IteratorReturnResult<undefined>> {
    this.#signal?.removeEventListener('abort', this.#end);
    this.#end();
    return OVER;
  }

  readonly #end = (): void => {
    this.#over = true;
    for (const probe of this.#probes) probe.cancel();
  };
}
