/**
 * Credit: how much of what was sent a peer may have to keep before a receive asks for it
 * (docs/internals/protocol.md#credit). It counts messages, and the bytes of bodies that are not small, in
 * one number modulo 2^32: messages in the low bits, units of bytes above.
 *
 * The difference of two such numbers is what is outstanding. Both of its counts stay far below
 * what their bits can hold, so the numbers may come round.
 */
import { CREDIT_SHIFT } from '../../../transports/transport.ts';

/** Messages that a rank keeps of one peer without a receive; more wait at the sender. */
export const UNEXPECTED_MESSAGES_MAX = 2 ** 17 - 1;
/** Bytes of bodies beyond {@link SMALL_BYTES} that it keeps of that peer; more wait at the sender. */
export const UNEXPECTED_BYTES_MAX = 1024 * 1024 - 128;
/** The same for the library's own messages, as those of a barrier. */
export const LIBRARY_MESSAGES_MAX = 2 ** 12 - 1;
export const LIBRARY_BYTES_MAX = 256 * 1024 - 128;
/** A body of up to so many bytes counts as a part of its message. */
export const SMALL_BYTES = 128;
/** Larger bodies are charged in units of so many bytes, and one more for what keeps them. */
export const CREDIT_UNIT_BYTES = 128;

/** The charge of a message that brings no body, or a small one. */
export const ONE_MESSAGE = 1;

const UNIT = 1 << CREDIT_SHIFT;
const MESSAGES = UNIT - 1;

/** What a message is charged with that brings `length` bytes of its body along eagerly. */
export function chargeOf(length: number): number {
  return length <= SMALL_BYTES ? ONE_MESSAGE : chargeOfLarge(length);
}

/** Apart, so that the other one is short enough for V8 to inline it always. */
function chargeOfLarge(length: number): number {
  return ONE_MESSAGE + ((length + 2 * CREDIT_UNIT_BYTES - 1) >>> 7) * UNIT;
}

/** What may be outstanding: messages, one less than a power of two; bytes, so many units. */
export interface CreditLimits {
  messages: number;
  bytes: number;
}

/** By flow. */
export const CREDIT_LIMITS: readonly CreditLimits[] = [
  { messages: UNEXPECTED_MESSAGES_MAX, bytes: UNEXPECTED_BYTES_MAX },
  { messages: LIBRARY_MESSAGES_MAX, bytes: LIBRARY_BYTES_MAX },
];

/** The bits of which none is set in what is outstanding, unless it is more than allowed. */
export function beyond({ messages, bytes }: CreditLimits): number {
  return (MESSAGES & ~messages) | (~(bytes / CREDIT_UNIT_BYTES) << CREDIT_SHIFT);
}

/** Flows to a peer, by the lowest bit of a context: the program's messages, and the library's own. */
export const PROGRAM = 0;
export const LIBRARY = 1;

export function flowOf(context: number): number {
  return context & 1;
}
