/** How an operation's bytes get into packets and out of them, wherever they lie. */

import { addon } from '../../native/addon.ts';
import type { Channel, Noncontiguous, Packet } from '../../transports/transport.ts';
import { store } from '../base/bytes.ts';
import type { Operation } from './operation.ts';

/** More bytes than these are copied faster by a call of the C library. */
const LOOP_BYTES_MAX = 32;

/** Where a message's bytes lie. */
export type Place = Pick<Operation, 'bytes' | 'noncontiguous'>;

/** Sends a packet with the message's bytes [offset, offset + length); false: no room now. */
export function trySendPart(
  channel: Channel,
  kind: number,
  context: number,
  tag: number,
  extension: Int32Array | null,
  { bytes, noncontiguous }: Place,
  offset: number,
  length: number,
): boolean {
  if (noncontiguous !== null && length > 0)
    return channel.trySendPacked(kind, context, tag, extension, noncontiguous, offset, length);
  if (extension === null) return channel.trySend(kind, context, tag, bytes, offset, length);
  return channel.trySendExtended(kind, context, tag, extension, bytes, offset, length);
}

/** Puts a packet's body where the message's bytes from `offset` on belong. Only while the buffer is intact. */
export function putPacket({ bytes, noncontiguous }: Place, offset: number, packet: Packet): void {
  if (noncontiguous === null) packet.copyTo(bytes, offset);
  else packet.unpackTo(noncontiguous, offset);
}

/** Puts `from` where the message's first bytes belong. Only while the buffer is intact. */
export function putFirst({ bytes, noncontiguous }: Place, from: Uint8Array): void {
  if (noncontiguous === null) store(bytes, from);
  else noncontiguous.unpack(0, from.length, from, 0);
}

/** The same with a small part of `from`; no view is made of it, which would cost more than the copy. */
export function putPart(
  bytes: Uint8Array,
  noncontiguous: Noncontiguous | null,
  from: Uint8Array,
  at: number,
  length: number,
): void {
  if (noncontiguous !== null) noncontiguous.unpack(0, length, from, at);
  else if (length > LOOP_BYTES_MAX) addon().copy(bytes, 0, from, at, length);
  else for (let i = 0; i < length; i++) bytes[i] = from[at + i];
}
