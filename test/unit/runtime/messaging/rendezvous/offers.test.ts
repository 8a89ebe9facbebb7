/** What is offered to a receiver, what it makes of it, and any mix of sizes, ways and faults. */
import { expect, test } from 'vitest';
import type { Request } from '../../../../../runtime/index.ts';
import { TRIAL_RUN } from '../../../../../runtime/messaging/rendezvous/cost-model.ts';
import { filled } from '../../../../tools/bytes.ts';
import { Random } from '../../../../tools/random.ts';
import { exchange, expectClean, finish, messages, receive, scene, send } from './scene.ts';

const NONE = new Uint8Array(0);

test.each([0, 1, 2])('a buffer taken away while its pieces wait for room, seed %i', (seed) => {
  const made = scene(seed, { room: 2 });
  const { comms } = made;
  let cut = 0;
  for (let i = 0; i < 60; i++) {
    const bytes = filled(100, 1);
    const late = i % 2 === 0;
    const got = new Uint8Array(100);
    const sent = comms[0].isend(bytes, 1, i);
    const early = late ? [] : [comms[1].irecv(got, 0, i)];
    for (let steps = made.simulation.random.below(6); steps > 0; steps--) made.simulation.step();
    structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
    for (let steps = 0; steps < 200; steps++) made.simulation.step();
    const [received] = late ? [comms[1].irecv(got, 0, i)] : early;
    finish(made, [sent, received]);
    if (sent.error === null) expect(received.error).toBe(null);
    if (received.error === null) expect(Buffer.compare(got, filled(100, 1))).toBe(0);
    else {
      expect(received.error.code).toBe('ERR_BUFFER');
      cut++;
    }
  }
  expect(cut).toBeGreaterThan(5);
  exchange(made, 100);
  expectClean(made);
});

test('an offer to who fetches exports its memory at once: no other packet is needed', () => {
  const made = scene(4, { rendezvous: 'get', segmentBytes: 10_000 });
  exchange(made, 5000);
  const { simulation } = made;
  const requests = [send(made, filled(5000, 3), 0, 1)];
  expect(simulation.open).toBe(1);
  const to = new Uint8Array(5000);
  requests.push(receive(made, to, 1, 0));
  finish(made, requests);
  expect(Buffer.compare(to, filled(5000, 3))).toBe(0);
  expectClean(made);
});

test('offers export no more than a bounded number of buffers', () => {
  const made = scene(4, { rendezvous: 'get', segmentBytes: 10_000, room: 1000 });
  exchange(made, 5000);
  const requests = Array.from({ length: 200 }, () => send(made, filled(5000, 3), 0, 1));
  expect(made.simulation.open).toBe(64);
  for (let i = 0; i < 200; i++) requests.push(receive(made, new Uint8Array(5000), 1, 0));
  finish(made, requests);
  expectClean(made);
});

test('by order of the receiver all is copied', () => {
  const made = scene(6, { rendezvous: 'copy' });
  exchange(made, 3000);
  exchange(made, 3000);
  expect(made.simulation.counts.exported).toBe(0);
  expect(messages(made, 1).received.copy).toBe(2);
});

test('left to itself, it tries all ways that the transport has', () => {
  const made = scene(6);
  for (let i = 0; i < 3 * TRIAL_RUN; i++) exchange(made, 3000);
  const { copy, get, put } = messages(made, 1).received;
  expect([copy > 0, get > 0, put > 0]).toEqual([true, true, true]);
  const getOnly = scene(6, { schemes: ['get'], rendezvous: 'put' });
  for (let i = 0; i < 12; i++) exchange(getOnly, 3000);
  expect(messages(getOnly, 1).received.put).toBe(0);
  expectClean(made);
  expectClean(getOnly);
});

test('packets of transfers do not wait behind messages without credit', () => {
  const made = scene(1, { rendezvous: 'put', room: 1000, burst: 1000 });
  // More envelopes than rank 1 keeps: those of rank 0 wait, while it is to answer.
  const flood = Array.from({ length: 140_000 }, () => made.comms[0].isend(NONE, 1, 5));
  const large = [send(made, filled(3000, 1), 1, 0), receive(made, new Uint8Array(3000), 0, 1)];
  expect(flood.some(({ done }) => !done)).toBe(true);
  finish(made, large);
});

/** Any mix of sizes, ways and faults: right bytes in the right order, and nothing left behind. */
function mix(seed: number): void {
  const random = new Random(seed);
  const pick = <Item>(...items: Item[]) => random.pick(items);
  const made = scene(seed, {
    ranks: pick(2, 2, 3),
    maxBody: pick(16, 32, 200),
    eagerBytes: pick(32, 100, 300),
    segmentBytes: pick(64, 100, 1000, 5000),
    schemes: pick(['get', 'put'] as const, ['get'] as const, ['put'] as const),
    room: pick(2, 3, 8),
    exportFails: pick(0, 0, 3, 10),
    beginFails: pick(0, 0, 3, 10),
    moveFails: pick(0, 0, 10),
    atOnce: pick(0, 0, 2),
    rendezvous: pick('auto', 'auto', 'get', 'put', 'copy'),
  });
  const { comms, simulation } = made;
  const size = () => random.below(pick(2, 40, 310, 3000, 6000));
  const all: Request[] = [];
  /** By source, destination and tag: what was sent and where it is received, in order. */
  const pairs = new Map<string, { sent: Uint8Array[]; got: Uint8Array[] }>();
  const plans: (() => void)[] = [];
  for (let i = 0; i < 60; i++) {
    const from = random.below(comms.length);
    const to = (from + 1 + random.below(comms.length - 1)) % comms.length;
    const tag = random.below(2);
    const key = `${from} ${to} ${tag}`;
    const pair = pairs.get(key) ?? { sent: [], got: [] };
    pairs.set(key, pair);
    const index = pair.sent.length;
    const bytes = filled(size(), seed * 100 + i);
    pair.sent.push(bytes);
    const target = new Uint8Array(6000 + random.below(10));
    pair.got.push(target);
    expect(pair.got.length).toBe(index + 1);
    plans.push(() => all.push(send(made, bytes, from, to, tag)));
    plans.push(() => all.push(receive(made, target, to, from, tag)));
  }
  // Sends of a pair stay in order among themselves, receives too; how they interleave is random.
  const sends = plans.filter((_, i) => i % 2 === 0);
  const receives = plans.filter((_, i) => i % 2 === 1);
  while (sends.length + receives.length > 0) {
    const from =
      receives.length === 0 || (sends.length > 0 && random.below(2) === 0) ? sends : receives;
    from.shift()?.();
    if (random.below(3) === 0) simulation.step();
  }
  finish(made, all);
  for (const { error } of all) expect(error).toBe(null);
  for (const { sent, got } of pairs.values())
    for (const [i, bytes] of sent.entries())
      expect(Buffer.compare(got[i].subarray(0, bytes.length), bytes)).toBe(0);
  expectClean(made);
}

test.each(Array.from({ length: 12 }, (_, i) => i))(
  'a thousand messages at random, part %i',
  (part) => {
    for (let i = 0; i < 25; i++) mix(part * 1000 + i);
  },
);
