/** RDMA: the suite of all transports over a real device. It needs one, so that it runs in the guest. */
import { describe, expect, test } from 'vitest';
import { MpiError } from '../../../runtime/base/error.ts';
import type { Done } from '../../../transports/transport.ts';
import { newRemoteAccess } from '../../../transports/transport.ts';
import { conformance } from './suite.ts';
import { VerbsGroup } from './verbs-group.ts';

function linkOf(ranks: number, a: number, b: number) {
  const group = new VerbsGroup(ranks);
  group.meet(a, b);
  return {
    a: group.transports[a],
    b: group.transports[b],
    rankA: a,
    rankB: b,
    exposable: (length: number) => [new Uint8Array(length)],
    close: () => group.close(),
  };
}

conformance('verbs, the last of three to the first', () => linkOf(3, 2, 0), { separate: true });

describe('verbs, memory that is not exported', () => {
  const LENGTH = 5000;
  /** How long the ends may take to hear of it; a queue pair gives up after some seconds. */
  const PATIENCE_MS = 120_000;

  test.each(['pull', 'push'] as const)(
    'a %s with a wrong key touches nothing; the connection ends at both',
    (way) => {
      const group = new VerbsGroup(2);
      group.meet(0, 1);
      const memory = new Uint8Array(LENGTH).fill(1);
      const access = newRemoteAccess();
      expect(group.transports[0].connect(1).exportMemory(memory, 0, LENGTH, way, access)).toBe(
        true,
      );
      const forged = { ...access, key: access.key ^ 0x5a00, hold: null };
      const ours = new Uint8Array(LENGTH).fill(2);
      const told: (Error | null)[] = [];
      const done: Done = (error) => void told.push(error);
      expect(group.transports[1].connect(0)[way](forged, 0, ours, 0, LENGTH, done)).toBe(false);

      const lost = new Map<string, unknown>();
      const handlerOf = (rank: number) => ({
        onPacket() {},
        onPeerError: (peer: number, error: Error) =>
          void lost.set(`${rank} lost ${peer}`, error instanceof MpiError && error.code),
      });
      const handlers = [handlerOf(0), handlerOf(1)];
      const end = performance.now() + PATIENCE_MS;
      while (lost.size < 2 && performance.now() < end)
        for (const [rank, transport] of group.transports.entries()) transport.poll(handlers[rank]);

      expect(Object.fromEntries(lost)).toEqual({
        '1 lost 0': 'ERR_PEER_FAILED',
        '0 lost 1': 'ERR_PEER_FAILED',
      });
      // A WRITE over iWARP is over when it has left; whether it was taken shows by the connection.
      const left = way === 'push' && group.devices[0].link === 'iwarp' && told[0] === null;
      if (!left) expect(told).toEqual([expect.objectContaining({ code: 'ERR_PEER_FAILED' })]);
      expect([memory.every((byte) => byte === 1), ours.every((byte) => byte === 2)]).toEqual([
        true,
        true,
      ]);
      group.transports[0].connect(1).revoke(access);
      group.close();
    },
  );
});
