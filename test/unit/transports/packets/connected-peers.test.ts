/** Peers over a network: which of them are there, and what a connection that cannot be made leaves behind. */
import { expect, test } from 'vitest';
import type { PacketChannel } from '../../../../transports/packets/channel.ts';
import { ConnectedPeers } from '../../../../transports/packets/connected-peers.ts';
import { SLOTS_PER_PEER } from '../../../../transports/packets/layout.ts';
import type { PacketQueue } from '../../../../transports/packets/ports.ts';
import type { PeersHost } from '../../../../transports/packets/transport.ts';

/** What all ranks have told the launcher, by key. */
const told = new Map<string, string>();

class TestPeers extends ConnectedPeers<PacketQueue, string> {
  readonly setup = { pending: false, dueIn: 0, heard() {}, progress() {}, end() {} };
  reachable = true;
  grown = 0;

  constructor(rank: number) {
    const job = {
      rank,
      size: 4,
      put: (key: string, value: string) => void told.set(key, value),
      get: (key: string) => told.get(key),
      fence() {},
    };
    const receives = { grow: (slots: number) => (this.grown += slots) };
    const open = (peer: number) => ({ peer, state: 'connecting', leaving: false });
    const host = { receives, open, pump() {} } as unknown as PeersHost<PacketQueue>;
    super(job, host, { text: 'a test', key: 'test' }, 0);
  }

  protected addressOf(): string {
    return 'somewhere';
  }

  protected openQueue(): PacketQueue {
    if (!this.reachable) throw new Error('no way');
    return {} as PacketQueue;
  }

  protected begin(_channel: PacketChannel<PacketQueue>): void {}
}

test('a rank that was never connected has left once it has told the launcher so, and no other has', () => {
  told.clear();
  const peers = new TestPeers(0);
  new TestPeers(2).close();
  expect([1, 2, 3].map((peer) => peers.presence(peer))).toEqual(['present', 'left', 'present']);
});

test('who cannot be reached costs room once, however often it is tried', () => {
  const peers = new TestPeers(0);
  peers.reachable = false;
  for (let tries = 0; tries < 5; tries++) expect(() => peers.connect(1)).toThrow('no way');
  expect(peers.grown).toBe(SLOTS_PER_PEER);
  peers.reachable = true;
  peers.connect(1);
  peers.connect(2);
  expect(peers.grown).toBe(2 * SLOTS_PER_PEER);
});

test('ranks that there are not, and this one, are not reached', () => {
  const peers = new TestPeers(0);
  for (const peer of [-1, 0, 4]) expect(() => peers.connect(peer)).toThrow(/not reached by a test/);
});
