/** Packets over libfabric: an envelope that says whose packet it is, before the packet itself. */
import type { PacketLayout } from '../packets/layout.ts';

/**
 * Longest packet, without its envelope: 32 KiB of a message and what stands before them. A provider over sockets makes a system call
 * for each, and the copies at both ends go on at the same time.
 */
export const OFI_PACKET_BYTES = 32 * 1024 + 128;
/** Bytes of packets that a peer may have sent and this rank has not taken. */
export const OFI_WINDOW_BYTES = 4 * OFI_PACKET_BYTES;
/** Messages up to this long go eagerly, in packets of OFI_PACKET_BYTES. */
export const OFI_EAGER_BYTES = 128 * 1024;
/** Looks for completions in one call of the addon: a provider over sockets makes a system call in each. */
export const OFI_LOOKS = 4;
/**
 * The same in each poll while bytes are moved from memory to memory. A provider over sockets moves a piece of them in each look, and TCP takes
 * a receiver that looks seldom for a slow one.
 */
export const OFI_MOVING_LOOKS = 16;
/** Polls between two looks at the clock. */
export const OFI_CLOCK_POLLS = 512;
/** Bytes of the envelope. */
export const OFI_ENVELOPE_BYTES = 16;

/** Words of the envelope. */
export const ENVELOPE = {
  /** Two words that only the two ranks of the connection know. */
  token: 0,
  /** The sender's rank. */
  from: 2,
  /** The packet's number, and how many bytes of {@link ALIGNMENT} were added. */
  number: 3,
} as const;
export const NUMBER_MASK = 0xff_ffff;
export const PADDING_SHIFT = 24;
/** Stands in the last word of what ranks say before they trust each other. */
export const SETUP_BIT = 1 << 31;
/** Packets begin at such addresses, since the next one may lie right behind. */
export const ALIGNMENT = 8;

export const OFI_LAYOUT: PacketLayout = {
  transport: 'ofi',
  packetBytes: OFI_PACKET_BYTES,
  headroom: OFI_ENVELOPE_BYTES,
  slotWords: ALIGNMENT / 4,
  windowBytes: OFI_WINDOW_BYTES,
  eagerBytes: OFI_EAGER_BYTES,
  directLooks: OFI_LOOKS,
  movingLooks: OFI_MOVING_LOOKS,
  clockPolls: OFI_CLOCK_POLLS,
  advice: 'ip link, ping',
};
