/** An offer (RTS): what a sender says of a message that its receiver has to ask for. */
import type { Packet, RemoteAccess } from '../../../transports/transport.ts';
import { ACCESS_KEY } from '../../../transports/transport.ts';
import { MpiError } from '../../base/error.ts';
import { type Operation, SYNCHRONOUS } from '../operation.ts';
import {
  EAGER_FIRST,
  longOf,
  putLong,
  RTS,
  RTS_HELD,
  RTS_KIND_MASK,
  RTS_PACKED,
  RTS_SYNCHRONOUS,
  RTS_WORD,
} from '../wire.ts';
import type { OutgoingTransfer } from './table.ts';

/** What an RTS says; kept with an unexpected message. */
export interface Offer {
  length: number;
  transfer: number;
  access: RemoteAccess;
  /** Bytes of the message that can be reached so. */
  exportedBytes: number;
  /** Bytes that came with the RTS. */
  firstBytes: number;
  /** The sender's buffer cannot be taken away while it is read. */
  held: boolean;
  /** The sender waits for the match: it hears FIN, though all of the message came along. */
  synchronous: boolean;
  /** The sender's bytes do not lie side by side: they come in packets. */
  packed: boolean;
}

/** Puts an offer's first bytes where a receive wants it. */
export type CopyFirst = (to: Operation) => void;

/** @throws MpiError ERR_PROTOCOL where it cannot be ours */
export function offerOf(packet: Packet): Offer {
  const words = packet.extension;
  const length = longOf(words, RTS_WORD.lengthLow, RTS_WORD.lengthHigh);
  const kind = words[RTS_WORD.kind] & RTS_KIND_MASK;
  const exportedBytes = words[RTS_WORD.exportedBytes] || length;
  const inside = exportedBytes >= packet.length && exportedBytes <= length;
  if (!Number.isSafeInteger(length) || length < packet.length || kind > ACCESS_KEY || !inside)
    throw new MpiError('ERR_PROTOCOL', `a message claims ${length} bytes by access ${kind}`);
  return {
    length,
    transfer: words[RTS_WORD.transfer],
    access: {
      kind,
      low: words[RTS_WORD.accessLow],
      high: words[RTS_WORD.accessHigh],
      key: words[RTS_WORD.key],
      hold: null,
    },
    exportedBytes,
    firstBytes: packet.length,
    held: (words[RTS_WORD.kind] & RTS_HELD) !== 0,
    synchronous: (words[RTS_WORD.kind] & RTS_SYNCHRONOUS) !== 0,
    packed: (words[RTS_WORD.kind] & RTS_PACKED) !== 0,
  };
}

/** Writes the words of an RTS. */
export function putOffer(words: Int32Array, transfer: OutgoingTransfer, held: boolean): void {
  const { id, request, access, exportedBytes } = transfer;
  putLong(words, RTS_WORD.lengthLow, RTS_WORD.lengthHigh, request.length);
  words[RTS_WORD.transfer] = id;
  const packed = request.noncontiguous === null ? 0 : RTS_PACKED;
  const synchronous = (request.kind & SYNCHRONOUS) !== 0 ? RTS_SYNCHRONOUS : 0;
  words[RTS_WORD.kind] = access.kind | (held ? RTS_HELD : 0) | packed | synchronous;
  words[RTS_WORD.accessLow] = access.low;
  words[RTS_WORD.accessHigh] = access.high;
  words[RTS_WORD.key] = access.key;
  words[RTS_WORD.exportedBytes] = exportedBytes === request.length ? 0 : exportedBytes;
}

/** Bytes of the whole message that a packet begins. */
export function messageLength(packet: Packet): number {
  if (packet.kind === RTS) return offerOf(packet).length;
  return packet.kind === EAGER_FIRST ? packet.extension[0] : packet.length;
}
