/** What goes out to peers beside messages: packets of transfers under way, and what waits for room. */
import type { Peer } from './peer.ts';

export interface Output {
  /** Our rank. */
  readonly rank: number;
  /** A packet without a body that belongs to a transfer; waits for room where there is none. */
  sendControl(peer: Peer, kind: number, tag: number, extension?: Int32Array | null): void;
  /** The peer has something that waits for room. */
  markBusy(peer: Peer): void;
}
