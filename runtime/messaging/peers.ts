/** Who the other ranks are, by their number in the world. */
import type { Peer } from './peer.ts';

export interface Peers {
  /** Our rank. */
  readonly rank: number;
  readonly size: number;
  /** From the first contact on. */
  readonly peers: readonly (Peer | undefined)[];
  /** What is known of a rank, lost or not. @throws MpiError ERR_UNREACHABLE, ERR_NO_MEM */
  contact(rank: number): Peer;
}
