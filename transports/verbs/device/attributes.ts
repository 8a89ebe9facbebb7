/** What connects: the path to a peer, and the states that a queue pair goes through. */
import { ATTRIBUTE, MASK, STATE } from '../../../native/verbs.ts';
import { MpiError } from '../../../runtime/base/error.ts';

/** Routers that a packet may pass. */
export const HOP_LIMIT = 64;

/**
 * After 4.096 µs · 2^ACK_TIMEOUT without an answer a packet is sent again, ACK_RETRIES times: a peer
 * that vanished is an error after about 2 s. Not 7 times, which rxe takes for ever.
 */
export const ACK_TIMEOUT = 16;
export const ACK_RETRIES = 6;
/** Credits keep a receiver ready; should it not be, it is asked so often again before that is an error. */
export const RNR_RETRIES = 6;
/** What a receiver that is not ready asks to wait, as the field of the packet encodes it: 1.28 ms. */
export const RNR_TIMER = 14;
/** Where a peer's port is. */
export interface PathAddress {
  /** InfiniBand's local identifier; 0 on Ethernet. */
  lid: number;
  /** 32 hex digits. */
  gid: string;
}

/** What each side tells the other of its end. */
export interface QueueAddress extends PathAddress {
  /** The queue pair's number, 24 bits. */
  number: number;
  /** First packet sequence number, 24 bits. */
  psn: number;
  /** Bytes. */
  mtu: number;
}

/** What a connection takes of our own side. */
export interface LocalEnd {
  readonly port: number;
  readonly gidIndex: number;
  readonly global: boolean;
  readonly mtu: number;
  readonly readsIn: number;
}

/** Writes the path into the attributes; answers the GID's bytes. @throws MpiError ERR_PROTOCOL */
export function setPath(
  attributes: Int32Array,
  remote: PathAddress,
  ours: Pick<LocalEnd, 'port' | 'gidIndex' | 'global'>,
): Uint8Array {
  attributes[ATTRIBUTE.port] = ours.port;
  attributes[ATTRIBUTE.lid] = remote.lid;
  attributes[ATTRIBUTE.global] = ours.global ? 1 : 0;
  attributes[ATTRIBUTE.gidIndex] = ours.gidIndex;
  attributes[ATTRIBUTE.hopLimit] = HOP_LIMIT;
  return gidBytes(remote.gid);
}

/** The 16 bytes of 32 hex digits. @throws MpiError ERR_PROTOCOL where it is something else */
export function gidBytes(gid: string): Uint8Array {
  if (!/^[0-9a-f]{32}$/i.test(gid)) throw new MpiError('ERR_PROTOCOL', `"${gid}" is no GID`);
  return Uint8Array.from({ length: 16 }, (_, i) =>
    Number.parseInt(gid.slice(2 * i, 2 * i + 2), 16),
  );
}

export const RECEIVING_MASK =
  MASK.state |
  MASK.path |
  MASK.mtu |
  MASK.remoteQueue |
  MASK.receivePsn |
  MASK.readsIn |
  MASK.rnrTimer;

/** Ready to receive; answers the GID's bytes. @throws MpiError ERR_PROTOCOL */
export function setReceiving(
  attributes: Int32Array,
  remote: QueueAddress,
  ours: LocalEnd,
): Uint8Array {
  attributes.fill(0);
  attributes[ATTRIBUTE.state] = STATE.receiving;
  attributes[ATTRIBUTE.mtu] = Math.log2(Math.min(ours.mtu, remote.mtu)) - 7;
  attributes[ATTRIBUTE.remoteQueue] = remote.number;
  attributes[ATTRIBUTE.receivePsn] = remote.psn;
  attributes[ATTRIBUTE.readsIn] = ours.readsIn;
  attributes[ATTRIBUTE.rnrTimer] = RNR_TIMER;
  return setPath(attributes, remote, ours);
}

export const SENDING_MASK =
  MASK.state | MASK.timeout | MASK.retries | MASK.rnrRetries | MASK.sendPsn | MASK.readsOut;

/** Ready to send, after {@link setReceiving}. */
export function setSending(attributes: Int32Array, psn: number, readsOut: number): void {
  attributes[ATTRIBUTE.state] = STATE.sending;
  attributes[ATTRIBUTE.timeout] = ACK_TIMEOUT;
  attributes[ATTRIBUTE.retries] = ACK_RETRIES;
  attributes[ATTRIBUTE.rnrRetries] = RNR_RETRIES;
  attributes[ATTRIBUTE.sendPsn] = psn;
  attributes[ATTRIBUTE.readsOut] = readsOut;
}
