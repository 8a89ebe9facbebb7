/** The layout of packets between two connected ranks, and what of it differs from transport to transport. */
import { EXTENSION_WORDS } from '../transport.ts';

/** A packet's header: four words, {@link HEADER}. */
export const PACKET_HEADER_BYTES = 16;
export const PACKET_EXTENSION_BYTES = 4 * EXTENSION_WORDS;

/** Words of the header. The body's length is what came less the header. */
export const HEADER = {
  /** kind | context << 8, {@link CONTROL_BIT}, {@link EXTENDED_BIT}. */
  kindContext: 0,
  tag: 1,
  /** What the sender of this packet has taken: see window.ts. */
  taken: 2,
  /** Credit that it has returned so far, modulo 2^32. */
  returned: 3,
} as const;
/** The packet is one of {@link CONTROL}, for the transport itself. */
export const CONTROL_BIT = 1 << 30;
/** Extension words stand between header and body. */
export const EXTENDED_BIT = 1 << 31;

/** Kinds of packets that the transports of two ranks exchange with each other. */
export const CONTROL = {
  /** Has only its header: what was taken, and what credit is returned. */
  credit: 1,
  /** Says that a credit packet was taken, where no other packet is under way to say it. */
  acknowledge: 2,
  /** The sender is in MPI.finalize(). */
  leaving: 3,
  /** The last packet of the connection: the sender has closed its transports in order. */
  left: 4,
  /** Of a transport whose connections are others' work: by its tag which of them is the sender's. */
  link: 5,
} as const;

/** Packets of the protocols that a peer may have sent and this rank has not taken. */
export const DATA_WINDOW = 16;
/** Slots for packets of {@link CONTROL}: each kind has at most one under way. */
export const CONTROL_SLOTS = 4;
/** Receive slots that each connected peer needs. */
export const SLOTS_PER_PEER = DATA_WINDOW + CONTROL_SLOTS;

/** What a transport says of its packets. */
export interface PacketLayout {
  readonly transport: string;
  /** Longest packet, its header included. */
  readonly packetBytes: number;
  /** Bytes before each packet that is sent, for what the device writes there; whole words. */
  readonly headroom: number;
  /** Words from one receive slot's number to the next one's. */
  readonly slotWords: number;
  /**
   * Bytes of packets of the protocols that a peer may have sent and this rank has not taken; Infinity where each packet
   * has a slot of its own.
   */
  readonly windowBytes: number;
  /** Messages up to this long go eagerly. */
  readonly eagerBytes: number;
  /** Looks for completions in one call of the addon, for a receive that polls its connection alone. */
  readonly directLooks: number;
  /** Looks in each poll while bytes are moved from memory to memory: a device made of software may move them by that. */
  readonly movingLooks: number;
  /** Polls in vain between two looks at the clock. */
  readonly clockPolls: number;
  /** What a user may look at where a connection breaks. */
  readonly advice: string;
}

/** Largest body of a packet, in bytes. */
export const maxBodyOf = ({ packetBytes }: PacketLayout) =>
  packetBytes - PACKET_HEADER_BYTES - PACKET_EXTENSION_BYTES;
