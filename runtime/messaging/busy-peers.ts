/** The peers for which packets or messages wait to be sent. */
import type { Peer } from './peer.ts';

export class BusyPeers {
  readonly #peers: Peer[] = [];

  get count(): number {
    return this.#peers.length;
  }

  all(): readonly Peer[] {
    return this.#peers;
  }

  /** Whether it was none of them. */
  add(peer: Peer): boolean {
    if (peer.marked) return false;
    peer.marked = true;
    this.#peers.push(peer);
    return true;
  }

  /**
   * Sends as much as there is room for. A peer for which nothing is left is busy no more.
   * @returns how many peers still are busy
   */
  push(): number {
    const peers = this.#peers;
    for (let i = 0; i < peers.length; ) {
      const peer = peers[i];
      peer.push();
      if (peer.busy) i++;
      else {
        peer.marked = false;
        const last = peers.pop() as Peer;
        if (last !== peer) peers[i] = last;
      }
    }
    return peers.length;
  }
}
