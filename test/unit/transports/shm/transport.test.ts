/** Shared memory: the suite of all transports, and what is its own. */
import { afterEach, describe, expect, test, vi } from 'vitest';
import { MpiError } from '../../../../runtime/base/error.ts';
import { PID_CHECK_MS } from '../../../../transports/shm/channel.ts';
import { CONTROL } from '../../../../transports/shm/layout.ts';
import {
  ACCESS_ADDRESS,
  ACCESS_MAPPED,
  ACCESS_NONE,
  newRemoteAccess,
  type Packet,
} from '../../../../transports/transport.ts';
import { ShmGroup } from '../../../conformance/transports/shm-group.ts';
import { conformance } from '../../../conformance/transports/suite.ts';

/** The promise to programs: what a pair of ranks that talks may cost, both directions together. */
const PAIR_BYTES_MAX = 160 * 1024;
const NONE = new Uint8Array(0);
const groups: ShmGroup[] = [];

function open(ranks: number): ShmGroup {
  const group = new ShmGroup(ranks);
  groups.push(group);
  return group;
}

afterEach(() => {
  for (const group of groups.splice(0)) group.close();
});

function linkOf(ranks: number, a: number, b: number) {
  const group = new ShmGroup(ranks);
  return {
    a: group.transports[a],
    b: group.transports[b],
    rankA: a,
    rankB: b,
    exposable: (length: number) => [
      new Uint8Array(length),
      new Uint8Array(group.transports[a].heap.allocate(length)),
    ],
    close: () => group.close(),
  };
}

conformance('shm, two ranks', () => linkOf(2, 0, 1), { separate: true });
conformance('shm, the last of three to the first', () => linkOf(3, 2, 0), { separate: true });

/** No memory at an address, or no address at all. */
const GONE = /^ERR_(BUFFER|PEER_FAILED)$/;

describe('memory of the segment', () => {
  test('rings are made at first contact, for the pair that talks, within the promised size', () => {
    const group = open(8);
    const before = group.memory;
    const [a, b] = group.transports;
    a.connect(1).trySend(1, 0, 0, NONE, 0, 0);
    b.poll({ onPacket() {}, onPeerError() {} });
    const body = new Uint8Array(a.connect(1).maxBody);
    // Every byte of both rings is used.
    for (const [from, to, rank] of [
      [a, b, 1],
      [b, a, 0],
    ] as const) {
      const channel = from.connect(rank);
      for (let i = 0; i < 1000; i++) {
        channel.trySend(1, 0, 0, body, 0, body.length);
        to.poll({ onPacket() {}, onPeerError() {} });
      }
    }
    const pair = group.memory - before;
    expect(pair).toBeGreaterThan(0);
    expect(pair).toBeLessThanOrEqual(PAIR_BYTES_MAX);
    group.transports[7].connect(0);
    expect(group.memory - before).toBeLessThanOrEqual(2 * PAIR_BYTES_MAX);
  });

  test('of a heap only what is allocated is there', () => {
    const group = open(2);
    const before = group.memory;
    const kept = group.transports[0].heap.allocate(1_000_000);
    expect(group.memory - before).toBe(1_003_520);
    expect(group.transports[0].heap.bytes).toBe(1_003_520);
    expect(kept.byteLength).toBe(1_000_000);
  });
});

describe('access', () => {
  const access = newRemoteAccess();

  test("memory of the heap is exported by its offset, a program's own by its address", () => {
    const group = open(2);
    const [a] = group.transports;
    const channel = a.connect(1);
    channel.exportMemory(new Uint8Array(a.heap.allocate(5000), 100, 50), 0, 50, 'pull', access);
    expect(access.kind).toBe(ACCESS_MAPPED);
    channel.exportMemory(new Uint8Array(100_000), 0, 100_000, 'pull', access);
    expect(access.kind).toBe(ACCESS_ADDRESS);
  });

  test.each([
    ['before the heaps', 0, 100],
    ['in the rings', 8192, 100],
    ['behind the end', -1, 100],
    ['over the end', -50, 100],
  ])('memory %s is no exported memory', (_where, low, length) => {
    const group = open(2);
    const [a, b] = group.transports;
    a.connect(1).trySend(1, 0, 0, NONE, 0, 0);
    b.poll({ onPacket() {}, onPeerError() {} });
    const high = low < 0 ? 0x7fff_ffff : 0;
    const forged = { ...newRemoteAccess(), kind: ACCESS_MAPPED, low, high };
    let error: unknown;
    try {
      b.connect(0).pull(forged, 0, new Uint8Array(length), 0, length, () => {});
    } catch (caught) {
      error = caught;
    }
    expect(error).toBeInstanceOf(MpiError);
    expect((error as MpiError).code).toBe('ERR_PROTOCOL');
  });

  test('a pid that is another process’s by now is an error, and nothing of that process is moved', async () => {
    const group = open(2);
    const [a, b] = group.transports;
    a.connect(1).trySend(1, 0, 0, NONE, 0, 0);
    b.poll({ onPacket() {}, onPeerError() {} });
    const bytes = new Uint8Array(100_000).fill(1);
    const exported = newRemoteAccess();
    a.connect(1).exportMemory(bytes, 0, bytes.length, 'pull', exported);
    const pull = (to: Uint8Array) => b.connect(0).pull(exported, 0, to, 0, to.length, () => {});
    pull(new Uint8Array(bytes.length));
    // As long as no pid comes round it need not be looked at; another process has not this word.
    group.control(0)[CONTROL.probeWord] ^= 1;
    await new Promise((resolve) => setTimeout(resolve, PID_CHECK_MS + 10));
    const got = new Uint8Array(bytes.length);
    const failure = expect.objectContaining({ code: 'ERR_PEER_FAILED', peer: 0 });
    expect(() => pull(got)).toThrow(failure);
    expect(() => b.connect(0).push(exported, 0, got, 0, 8, () => {})).toThrow(failure);
    expect([got[0], bytes[0]]).toEqual([0, 1]);
  });

  test.each([
    ['has left', true],
    ['is there', false],
  ])('where the first look at a peer’s memory fails, and the peer %s', (_state, leaves) => {
    const group = open(2);
    const [a, b] = group.transports;
    const channel = b.connect(0);
    const said: string[] = [];
    const write = vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
      said.push(String(text));
      return true;
    });
    if (leaves) a.close();
    else group.control(0)[CONTROL.probeWord] ^= 1;
    const exported = newRemoteAccess();
    channel.exportMemory(new Uint8Array(100_000), 0, 100_000, 'pull', exported);
    write.mockRestore();
    expect(exported.kind).toBe(ACCESS_NONE);
    // Permission is in question only while there is something to read.
    expect(said.length).toBe(leaves ? 0 : 1);
  });

  test('an address where nothing lies is an error, no crash', () => {
    const group = open(2);
    const [a, b] = group.transports;
    a.connect(1).trySend(1, 0, 0, NONE, 0, 0);
    b.poll({ onPacket() {}, onPeerError() {} });
    for (const [low, high] of [
      [16, 0],
      [-1, -1],
      [0, 0x7fff_ffff],
      [0, 0],
    ]) {
      const forged = { ...newRemoteAccess(), kind: ACCESS_ADDRESS, low, high };
      expect(() => b.connect(0).pull(forged, 0, new Uint8Array(100), 0, 100, () => {})).toThrow(
        expect.objectContaining({ code: expect.stringMatching(GONE), syscall: 'process_vm_readv' }),
      );
      expect(() => b.connect(0).push(forged, 0, new Uint8Array(100), 0, 100, () => {})).toThrow(
        expect.objectContaining({
          code: expect.stringMatching(GONE),
          syscall: 'process_vm_writev',
        }),
      );
    }
  });
});

test('a rank of another node is not reached', () => {
  const group = open(2);
  expect(() => group.transports[0].connect(2)).toThrow(
    expect.objectContaining({ code: 'ERR_UNREACHABLE', peer: 2 }),
  );
  expect(group.transports[0].presence(2)).toBe('absent');
});

test('a handler that fails loses its peer and no other', () => {
  const group = open(3);
  const [a, b, c] = group.transports;
  const toC = [a.connect(2), b.connect(2)];
  const seen: number[] = [];
  const lost: number[] = [];
  const handler = {
    onPacket(peer: number, packet: Packet) {
      if (packet.tag === 13) throw new MpiError('ERR_PROTOCOL', 'on purpose');
      seen.push(peer);
    },
    onPeerError(peer: number, error: Error) {
      expect((error as MpiError).code).toBe('ERR_PROTOCOL');
      lost.push(peer);
    },
  };
  toC[0].trySend(1, 0, 1, NONE, 0, 0);
  toC[0].trySend(1, 0, 13, NONE, 0, 0);
  toC[0].trySend(1, 0, 2, NONE, 0, 0);
  toC[1].trySend(1, 0, 3, NONE, 0, 0);
  for (let i = 0; i < 5; i++) c.poll(handler);
  toC[1].trySend(1, 0, 4, NONE, 0, 0);
  for (let i = 0; i < 5; i++) c.poll(handler);
  expect(seen).toEqual([0, 1, 1]);
  expect(lost).toEqual([0]);
});

test('the largest body has room wherever the ring stands, once everything is taken', () => {
  const group = open(2);
  const [a, b] = group.transports;
  const channel = a.connect(1);
  const body = new Uint8Array(channel.maxBody);
  const deaf = { onPacket() {}, onPeerError() {} };
  // One way only: nothing tells the sender what was taken but the ring itself.
  const pass = (length: number) => {
    const sent = channel.trySend(1, 0, 0, body, 0, length);
    b.poll(deaf);
    return sent;
  };
  for (let short = 0; short < 4096; short += 192)
    for (const length of [128 + short, body.length - short, 2176, body.length])
      expect({ short, length, sent: pass(length) }).toEqual({ short, length, sent: true });
});
