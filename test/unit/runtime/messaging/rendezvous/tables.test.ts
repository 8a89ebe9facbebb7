/** Tables of transfers by themselves. */
import { describe, expect, test } from 'vitest';
import type { Peer } from '../../../../../runtime/messaging/peer.ts';
import { TRANSFERS_MAX, TransferTable } from '../../../../../runtime/messaging/rendezvous/table.ts';

describe('a table of transfers', () => {
  const unknown = expect.objectContaining({ code: 'ERR_PROTOCOL' });
  const [mine, other] = [{}, {}] as Peer[];

  function filled(peers: Peer[]) {
    const table = new TransferTable<{ id: number; peer: Peer }>();
    const transfers = peers.map((peer) => {
      const transfer = { id: table.takeId(), peer };
      table.add(transfer);
      return transfer;
    });
    return { table, transfers };
  }

  test('finds a transfer for its own peer alone', () => {
    const { table, transfers } = filled([mine, other, mine]);
    expect(new Set(transfers.map(({ id }) => id)).size).toBe(3);
    expect(table.find(transfers[0].id, mine)).toBe(transfers[0]);
    expect(() => table.find(transfers[0].id, other)).toThrow(unknown);
    for (const id of [0, -1, 12_345, 0x7fff_ffff, -0x8000_0000])
      expect(() => table.find(id, mine)).toThrow(unknown);
    expect(table.of(mine)).toEqual([transfers[0], transfers[2]]);
    table.remove(transfers[0]);
    table.remove(transfers[0]);
    expect(() => table.find(transfers[0].id, mine)).toThrow(unknown);
    expect(table.size).toBe(2);
  });

  test('gives a place again, and not its name', () => {
    const { table, transfers } = filled([mine, mine]);
    table.remove(transfers[0]);
    const next = { id: table.takeId(), peer: mine };
    table.add(next);
    expect(next.id % TRANSFERS_MAX).toBe(transfers[0].id % TRANSFERS_MAX);
    expect(() => table.find(transfers[0].id, mine)).toThrow(unknown);
    expect(table.find(next.id, mine)).toBe(next);
  });

  test('ids stay 31 bits, whatever was there before', () => {
    const table = new TransferTable<{ id: number; peer: Peer }>();
    for (let i = 0; i < 5000; i++) {
      const transfer = { id: table.takeId(), peer: mine };
      expect(transfer.id).toBeGreaterThan(0);
      expect(transfer.id | 0).toBe(transfer.id);
      table.add(transfer);
      table.remove(transfer);
    }
  });
});
