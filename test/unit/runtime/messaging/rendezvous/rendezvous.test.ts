/** Large messages over a transport whose pulls and pushes end later, and whose memory must be exported. */
import { describe, expect, test } from 'vitest';
import {
  EXPORTED_SEGMENTS_MAX,
  MOVED_SEGMENTS_MAX,
} from '../../../../../runtime/messaging/rendezvous/pipeline.ts';
import { filled } from '../../../../tools/bytes.ts';
import { exchange, expectClean, finish, messages, receive, scene, send } from './scene.ts';

describe.each(['get', 'put'] as const)('by %s', (way) => {
  const forced = { rendezvous: way, segmentBytes: 64 };

  test.each([101, 127, 128, 129, 64 * 7, 64 * 7 + 1, 5000])('%i bytes in segments', (length) => {
    for (let seed = 0; seed < 20; seed++) {
      const made = scene(seed, forced);
      exchange(made, length);
      exchange(made, length);
      expectClean(made);
      const { counts } = made.simulation;
      expect(way === 'get' ? counts.pushed : counts.pulled).toBe(0);
      const segments = Math.ceil(length / 64);
      // What the first bytes cover wholly needs no segment.
      expect(counts.exported).toBeGreaterThanOrEqual(2 * (segments - 1));
      expect(counts.exported).toBeLessThanOrEqual(2 * segments);
      expect(messages(made, 0).sent[way]).toBe(2);
      expect(messages(made, 1).received[way]).toBe(2);
    }
  });

  test('one segment is enough where the whole message fits', () => {
    const made = scene(1, { rendezvous: way, segmentBytes: 10_000 });
    exchange(made, 9000);
    exchange(made, 9000);
    expectClean(made);
    expect(made.simulation.counts.exported).toBe(2);
  });

  test('a window of segments is exported, fewer are moved at once, and both overlap', () => {
    const made = scene(3, forced);
    const { simulation } = made;
    let exported = 0;
    let moved = 0;
    let overlaps = 0;
    exchange(made, 64 * 50, () => {
      exported = Math.max(exported, simulation.open);
      moved = Math.max(moved, simulation.operations.length);
      if (simulation.open > simulation.operations.length && simulation.operations.length > 0)
        overlaps++;
    });
    expect(exported).toBe(EXPORTED_SEGMENTS_MAX);
    expect(moved).toBe(MOVED_SEGMENTS_MAX);
    expect(overlaps).toBeGreaterThan(10);
    expectClean(made);
  });

  test.each([
    ['exporting', { exportFails: 4 }],
    ['beginning', { beginFails: 4 }],
    ['moving', { moveFails: 6 }],
    ['all of it', { exportFails: 8, beginFails: 8, moveFails: 8, atOnce: 3 }],
  ])('where %s fails the rest is copied', (_what, faults) => {
    let copied = 0;
    for (let seed = 0; seed < 60; seed++) {
      const made = scene(seed, { ...forced, ...faults });
      const before = made.simulation.counts.exported;
      exchange(made, 64 * 12 + 9);
      exchange(made, 64 * 3 + 1);
      expectClean(made);
      if (made.simulation.counts.exported - before < 16) copied++;
    }
    expect(copied).toBeGreaterThan(10);
  });

  test('where nothing can be exported all is copied', () => {
    const made = scene(5, { ...forced, exportFails: 1 });
    exchange(made, 3000);
    expect(made.simulation.counts.exported).toBe(0);
    expectClean(made);
  });

  test('what is done at once needs no poll', () => {
    const made = scene(5, { ...forced, atOnce: 1 });
    exchange(made, 3000);
    expectClean(made);
  });

  test('a connection that breaks in mid-transfer: nothing is touched or exported any more', () => {
    for (let seed = 0; seed < 100; seed++) {
      const made = scene(seed, forced);
      const { simulation } = made;
      const requests = [
        receive(made, new Uint8Array(2000), 1, 0),
        send(made, filled(2000, 1), 0, 1),
        receive(made, new Uint8Array(1500), 0, 1),
        send(made, filled(1500, 2), 1, 0),
        // One that nobody receives.
        send(made, filled(1000, 2), 1, 0, 9),
      ];
      const last = simulation.random.below(120);
      for (let i = 0; i < last; i++) simulation.step();
      simulation.lose(0, 1);
      for (const { done, error } of requests) {
        expect(done).toBe(true);
        if (error !== null) expect(error.code).toBe('ERR_PEER_FAILED');
      }
      expectClean(made);
    }
  });

  test.each(['sender', 'receiver'] as const)(
    "the %s's buffer is taken away in mid-transfer",
    (who) => {
      const codes = new Set<string>();
      for (let seed = 0; seed < 100; seed++) {
        const made = scene(seed, forced);
        const { simulation } = made;
        const [from, to] = [filled(2000, 1), new Uint8Array(2000)];
        const requests = [receive(made, to, 1, 0), send(made, from, 0, 1)];
        const { counts, random } = simulation;
        // The last one is the 32nd.
        const moves = random.below(33);
        for (let i = 0; i < 2000 && counts.pulled + counts.pushed < moves; i++) simulation.step();
        for (let i = random.below(4); i > 0; i--) simulation.step();
        structuredClone(who === 'sender' ? from.buffer : to.buffer, {
          transfer: [who === 'sender' ? from.buffer : to.buffer],
        });
        finish(made, requests);
        expectClean(made);
        // What is received is the message; of a receive that fails the sender need not know.
        const [received, sent] = requests;
        if (who === 'sender' && received.error === null)
          expect(Buffer.compare(to, filled(2000, 1))).toBe(0);
        if (who === 'sender' && sent.error !== null)
          expect(received.error?.code).toBe('ERR_BUFFER');
        const own = requests[who === 'sender' ? 1 : 0].error;
        codes.add(own?.code ?? 'none');
      }
      expect(codes).toContain('ERR_BUFFER');
      expect([...codes].filter((code) => code !== 'ERR_BUFFER' && code !== 'none')).toEqual([]);
    },
  );

  test('a message that is too large is refused, and revoked', () => {
    const made = scene(2, forced);
    exchange(made, 1000);
    // This one is exported with its offer, since the last one of its size was fetched.
    const requests = [
      receive(made, new Uint8Array(999), 1, 0),
      send(made, new Uint8Array(1001), 0, 1),
    ];
    finish(made, requests);
    expect(requests.map(({ error }) => error?.code)).toEqual(['ERR_TRUNCATE', undefined]);
    expectClean(made);
  });

  test('an end that leaves waits until nothing touches its buffers', () => {
    for (let seed = 0; seed < 50; seed++) {
      const made = scene(seed, forced);
      const { simulation } = made;
      const requests = [
        receive(made, new Uint8Array(2000), 1, 0),
        send(made, filled(2000, 1), 0, 1),
      ];
      for (let i = 0; i < 10 + simulation.random.below(40); i++) simulation.step();
      const [mover] = way === 'get' ? [1] : [0];
      simulation.engines[mover].close();
      expect(requests[way === 'get' ? 0 : 1].done).toBe(true);
      expect(simulation.operations).toEqual([]);
      expect(simulation.offences).toEqual([]);
    }
  });
});
