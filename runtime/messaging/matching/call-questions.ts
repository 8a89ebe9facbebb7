/** What ranks ask each other about their collective calls, as packets. */
import type { Packet } from '../../../transports/transport.ts';
import { EXTENSION_WORDS } from '../../../transports/transport.ts';
import { NO_BYTES } from '../../base/bytes.ts';
import { MpiError, withoutAddress } from '../../base/error.ts';
import type { ContextTable } from '../contexts/table.ts';
import type { Peer } from '../peer.ts';
import { CALL_FREED, CALL_WORD, longOf, putLong, TELL_CALL } from '../wire.ts';
import type { CallQuestion, Context } from './context.ts';

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Bytes of a text; what is longer is cut. */
export const CALL_TEXT_BYTES = 2048;

/** @param question of an ASK_CALL; the answer bears it too, so that it is not taken for one about a later communicator */
export function questionWords(number: number, question: number): Int32Array {
  const words = callWords(number, 0);
  words[CALL_WORD.question] = question;
  return words;
}

/** @param reason why the call cannot end */
export function answerWords({ number, question }: CallQuestion, reason: number): Int32Array {
  const words = callWords(number, reason);
  words[CALL_WORD.answers] = 1;
  words[CALL_WORD.question] = question;
  return words;
}

/** @param reason why the call cannot end */
export function callWords(number: number, reason: number): Int32Array {
  const words = new Int32Array(EXTENSION_WORDS);
  putLong(words, CALL_WORD.low, CALL_WORD.high, Math.abs(number));
  words[CALL_WORD.persistent] = number < 0 ? 1 : 0;
  words[CALL_WORD.reason] = reason;
  return words;
}

export function callText(text: string): Uint8Array {
  return encoder.encode(withoutAddress(text)).subarray(0, CALL_TEXT_BYTES);
}

/** A packet about a context. */
export interface ContextPacket {
  readonly kind: number;
  /** This rank's number; in an answer the receiver's. */
  readonly context: number;
  readonly tag: number;
  readonly words: Int32Array;
  readonly text: Uint8Array;
}

interface CallQuestionsHost {
  sendAbout(rank: number, packet: ContextPacket): void;
}

/** Packets about calls that peers send. */
export class CallQuestions {
  /** The last question that this rank has asked. */
  last = 0;
  readonly #contexts: ContextTable;
  readonly #host: CallQuestionsHost;

  constructor(host: CallQuestionsHost, contexts: ContextTable) {
    this.#host = host;
    this.#contexts = contexts;
  }

  /** The number of what this rank asks next: modulo 2^32, and never 0. */
  next(): number {
    this.last = (this.last + 1) | 0 || 1;
    return this.last;
  }

  /** @throws MpiError ERR_PROTOCOL where it cannot be ours */
  onPacket(peer: Peer, packet: Packet): void {
    const question = questionOf(peer.rank, packet);
    const { number, text, context } = question;
    const answers = packet.extension[CALL_WORD.answers] === 1;
    const its = answers ? this.#contexts.of(context) : this.#contexts.meantBy(peer, context);
    if (packet.kind === TELL_CALL)
      its?.calls?.onTold(
        peer.rank,
        number,
        packet.extension[CALL_WORD.reason],
        text,
        answers ? question.question : 0,
      );
    else if (its === undefined)
      throw new MpiError('ERR_PROTOCOL', `a peer asks about the unknown context ${context}`);
    else this.#onAsked(question, its);
  }

  #onAsked(question: CallQuestion, context: Context): void {
    const { peer, tag } = question;
    if (context.calls !== null) context.calls.onAsked(question);
    else if (context !== this.#contexts.dead) context.questions.push(question);
    else {
      const words = answerWords(question, CALL_FREED);
      const packet = { kind: TELL_CALL, context: question.context, tag, words, text: NO_BYTES };
      this.#host.sendAbout(peer, packet);
    }
  }
}

function questionOf(peer: number, packet: Packet): CallQuestion {
  const { context, tag, extension, length } = packet;
  const number = longOf(extension, CALL_WORD.low, CALL_WORD.high);
  const body = new Uint8Array(length);
  packet.copyTo(body, 0);
  const persistent = extension[CALL_WORD.persistent] === 1;
  const text = decoder.decode(body);
  return {
    peer,
    context,
    number: persistent ? -number : number,
    question: extension[CALL_WORD.question],
    tag,
    text,
  };
}
