/** Packets over RDMA. */
import type { PacketLayout } from '../packets/layout.ts';

/** Bytes of a receive slot: header, extension words and body of one packet. */
export const VERBS_SLOT_BYTES = 2048;
/** Messages up to this long go eagerly, in packets of VERBS_SLOT_BYTES. */
export const VERBS_EAGER_BYTES = 8192;

export const VERBS_LAYOUT: PacketLayout = {
  transport: 'verbs',
  packetBytes: VERBS_SLOT_BYTES,
  headroom: 0,
  slotWords: VERBS_SLOT_BYTES / 4,
  eagerBytes: VERBS_EAGER_BYTES,
  advice: 'rdma link, dmesg',
};
