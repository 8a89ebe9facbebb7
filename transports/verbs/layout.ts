/** Packets over RDMA. */
import type { PacketLayout } from '../packets/layout.ts';

/** Bytes of a receive slot: header, extension words and body of one packet. */
export const VERBS_SLOT_BYTES = 2048;
/** Messages up to this long go eagerly, in packets of VERBS_SLOT_BYTES. */
export const VERBS_EAGER_BYTES = 8192;

/** Looks for completions in one call of the addon, for a receive that polls its connection alone. */
export const DIRECT_LOOKS = 32;
/** Polls between two looks at the clock. */
export const CLOCK_POLLS = 16384;

export const VERBS_LAYOUT: PacketLayout = {
  transport: 'verbs',
  packetBytes: VERBS_SLOT_BYTES,
  headroom: 0,
  slotWords: VERBS_SLOT_BYTES / 4,
  windowBytes: Number.POSITIVE_INFINITY,
  eagerBytes: VERBS_EAGER_BYTES,
  directLooks: DIRECT_LOOKS,
  movingLooks: 1,
  clockPolls: CLOCK_POLLS,
  advice: 'rdma link, dmesg',
};
