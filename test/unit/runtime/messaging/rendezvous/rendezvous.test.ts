/** Large messages over a transport whose pulls and pushes end later, and whose memory must be exported. */
import { afterEach, describe, expect, test } from 'vitest';
import { MpiError } from '../../../../../runtime/base/error.ts';
import type { Request } from '../../../../../runtime/index.ts';
import {
  EXPORTED_SEGMENTS_MAX,
  MOVED_SEGMENTS_MAX,
} from '../../../../../runtime/messaging/rendezvous/pipeline.ts';
import { type Communicator, worldOf } from '../../../../../runtime/mpi/communicator.ts';
import { EXTENSION_WORDS } from '../../../../../transports/transport.ts';
import { filled } from '../../../../tools/bytes.ts';
import { Random } from '../../../../tools/random.ts';
import { Simulation, type SimulationOptions } from '../simulated.ts';

const STEPS_MAX = 200_000;
const NONE = new Uint8Array(0);

interface Scene {
  simulation: Simulation;
  comms: Communicator[];
}

const open: Simulation[] = [];

afterEach(() => {
  for (const simulation of open.splice(0)) simulation.close();
});

function scene(seed: number, options: Omit<SimulationOptions, 'random'> = {}): Scene {
  const simulation = new Simulation({ random: new Random(seed), ...options });
  open.push(simulation);
  const comms = simulation.engines.map((engine) => worldOf(engine));
  // Contact, so that each has the other.
  for (const engine of simulation.engines)
    for (let rank = 0; rank < comms.length; rank++) if (rank !== engine.rank) engine.contact(rank);
  return { simulation, comms };
}

function send({ simulation, comms }: Scene, bytes: Uint8Array, from: number, to: number, tag = 0) {
  const request = comms[from].isend(bytes, to, tag);
  if (!request.done) simulation.requests.push(request);
  return request;
}

function receive(
  { simulation, comms }: Scene,
  bytes: Uint8Array,
  at: number,
  from: number,
  tag = 0,
) {
  const request = comms[at].irecv(bytes, from, tag);
  if (!request.done) simulation.requests.push(request);
  return request;
}

function finish({ simulation }: Scene, requests: Request[], eachStep: () => void = () => {}): void {
  for (let i = 0; i < STEPS_MAX && requests.some(({ done }) => !done); i++) {
    simulation.step();
    eachStep();
  }
  expect(requests.map(({ done }) => done)).toEqual(requests.map(() => true));
}

/** What must hold when all is over: nothing exported, nothing under way, no offence. */
function expectClean({ simulation }: Scene): void {
  for (let i = 0; i < 300; i++) simulation.step();
  expect(simulation.offences).toEqual([]);
  expect(simulation.open).toBe(0);
  expect(simulation.operations).toEqual([]);
  expect(simulation.counts.revoked).toBe(simulation.counts.exported);
}

/** One message of `length` bytes from rank 0 to rank 1. */
function exchange(made: Scene, length: number, eachStep?: () => void) {
  const bytes = filled(length, length);
  const to = new Uint8Array(length);
  const requests = [receive(made, to, 1, 0), send(made, bytes, 0, 1)];
  finish(made, requests, eachStep);
  for (const { error } of requests) expect(error).toBe(null);
  expect(Buffer.compare(to, bytes)).toBe(0);
}

const messages = ({ simulation }: Scene, rank: number) =>
  simulation.engines[rank].messages.simulated;

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
      // What a first piece covers wholly needs no segment.
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

describe('where both ends may copy', () => {
  const LENGTH = 1_000_000;
  const shared = { shared: true, maxBody: 64, eagerBytes: 100 };
  /** Indices in the claim words. */
  const [CLAIM, DONE, BROKEN] = [0, 1, 2];

  /** Rank 0 claims the second piece of a message to rank 1, and stops. */
  function stopped(seed: number) {
    const made = scene(seed, shared);
    const { simulation } = made;
    const from = filled(LENGTH, 7);
    const to = new Uint8Array(LENGTH);
    // Two messages before, so that the words were used.
    for (let i = 0; i < 2; i++) exchange(made, LENGTH);
    const claims = simulation.transports[1].connect(0).inboundClaims as Int32Array;
    let grabbed = -1;
    simulation.onMove = (rank) => {
      if (rank === 1 && grabbed < 0) grabbed = claims[CLAIM]++ & 0xffff;
    };
    const requests = [receive(made, to, 1, 0), send(made, from, 0, 1)];
    for (let i = 0; i < 100; i++) simulation.engines[1].progress();
    expect(grabbed).toBe(1);
    expect(requests.map(({ done }) => done)).toEqual([false, false]);
    return { made, requests, from, to, claims };
  }

  test.each([32_769, 65_536, 1_000_000])('%i bytes', (length) => {
    for (let seed = 0; seed < 5; seed++) {
      const made = scene(seed, shared);
      for (let i = 0; i < 12; i++) exchange(made, length);
      expectClean(made);
      expect(messages(made, 1).received.share).toBe(12);
    }
  });

  test('nobody waits for a sender that is stopped within a piece', () => {
    const { made, requests, from, to, claims } = stopped(1);
    const { simulation } = made;
    // The receiver's other messages go on, large ones as well.
    const back = [send(made, filled(300, 3), 1, 0, 5)];
    for (let i = 0; i < 100; i++) simulation.engines[1].progress();
    expect(requests[0].done).toBe(false);
    // It goes on.
    to.set(from);
    claims[DONE]++;
    back.push(receive(made, new Uint8Array(300), 0, 1, 5));
    finish(made, [...requests, ...back]);
    expect(requests[0].error).toBe(null);
    expect(Buffer.compare(to, from)).toBe(0);
    exchange(made, LENGTH);
    expectClean(made);
  });

  test('a piece that the sender could not copy is fetched', () => {
    const { made, requests, from, to, claims } = stopped(2);
    claims[BROKEN] = 3;
    claims[DONE]++;
    finish(made, requests);
    expect(Buffer.compare(to, from)).toBe(0);
    expectClean(made);
  });

  test('a sender that says it is done and is not breaks the protocol', () => {
    const { made, requests } = stopped(3);
    finish(made, requests);
    expect(requests[0].error?.code).toBe('ERR_PROTOCOL');
    expectClean(made);
  });

  test('a sender that is lost within a piece fails the receive', () => {
    const { made, requests } = stopped(4);
    made.simulation.lose(0, 1);
    expect(requests.map(({ error }) => error?.code)).toEqual([
      'ERR_PEER_FAILED',
      'ERR_PEER_FAILED',
    ]);
  });

  test("the sender's buffer is taken away in mid-transfer", () => {
    for (let seed = 0; seed < 30; seed++) {
      const made = scene(seed, shared);
      const { simulation } = made;
      const [from, to] = [filled(LENGTH, 1), new Uint8Array(LENGTH)];
      const requests = [receive(made, to, 1, 0), send(made, from, 0, 1)];
      for (let i = simulation.random.below(12); i > 0; i--) simulation.step();
      structuredClone(from.buffer, { transfer: [from.buffer] });
      finish(made, requests);
      if (requests[0].error === null) expect(Buffer.compare(to, filled(LENGTH, 1))).toBe(0);
      else expect(requests[0].error.code).toBe('ERR_BUFFER');
      expectClean(made);
    }
  });
});

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
  for (let i = 0; i < 12; i++) exchange(made, 3000);
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

describe('a peer that breaks the protocol of transfers', () => {
  const words = (...values: number[]) => {
    const all = new Int32Array(EXTENSION_WORDS);
    all.set(values);
    return all;
  };
  const [RTS, CTS, DATA, FIN, CANCEL, SEGMENT, TARGET, FETCHED, WRITTEN, PUT_FIN] = [
    2, 3, 4, 5, 6, 9, 10, 11, 12, 13,
  ];

  /** Rank 0 forges packets to rank 1, which has a send and a receive under way with it. */
  function forge(
    way: 'get' | 'put' | 'copy',
    kind: number,
    tag: number,
    extension: Int32Array | null,
  ) {
    const made = scene(8, { rendezvous: way, room: 1000 });
    const { simulation } = made;
    const requests = [
      receive(made, new Uint8Array(4000), 1, 0),
      send(made, filled(4000, 1), 0, 1),
      receive(made, new Uint8Array(4000), 0, 1, 3),
      send(made, filled(4000, 1), 1, 0, 3),
    ];
    const waiting = receive(made, new Uint8Array(8), 1, 0, 77);
    for (let i = 0; i < 30; i++) simulation.step();
    const channel = simulation.transports[0].connect(1);
    if (extension === null) channel.trySend(kind, 0, tag, NONE, 0, 0);
    else channel.trySendExtended(kind, 0, tag, extension, NONE, 0, 0);
    finish(made, [...requests, waiting]);
    expect(waiting.error).toMatchObject({ code: 'ERR_PROTOCOL', peer: 0, rank: 1 });
    expectClean(made);
  }

  // The first transfer of a table has the id 2^20; what is under way here has it in both directions.
  const ID = 2 ** 20;

  test.each<[string, 'get' | 'put' | 'copy', number, number, Int32Array | null]>([
    ['an unknown kind', 'get', 99, 0, null],
    ['a segment of what is not fetched', 'put', SEGMENT, ID, words(64, 3, 0, 0, 0, 64)],
    ['a segment of an unknown message', 'get', SEGMENT, 5, words(64, 3)],
    ['a segment that leaves a gap', 'get', SEGMENT, ID, words(64, 3, 0, 0, 0, 3900)],
    ['a segment beyond the end', 'get', SEGMENT, ID, words(100_000, 3, 0, 0, 0, 0)],
    ['a segment of nothing', 'get', SEGMENT, ID, words(0, 3, 0, 0, 0, 0)],
    ['a segment of negative length', 'get', SEGMENT, ID, words(-5, 3, 0, 0, 0, 0)],
    ['a segment before the beginning', 'get', SEGMENT, ID, words(64, 3, 0, 0, 0, -64, -1)],
    ['a target for what is not written', 'get', TARGET, ID, words(64, 3, 0, 0, 0, 64)],
    ['a target that leaves a gap', 'put', TARGET, ID, words(64, 3, 0, 0, 0, 3900)],
    ['FETCHED of what has no segments', 'put', FETCHED, ID, null],
    ['FETCHED of an unknown message', 'get', FETCHED, 7, null],
    ['WRITTEN of what is not written', 'get', WRITTEN, ID, null],
    ['PUT_FIN of what is not written', 'get', PUT_FIN, ID, words(4000)],
    ['PUT_FIN beyond what was exported', 'put', PUT_FIN, ID, words(4001)],
    ['PUT_FIN before the first piece', 'put', PUT_FIN, ID, words(3)],
    ['PUT_FIN of a negative position', 'put', PUT_FIN, ID, words(0, -1)],
    ['CANCEL of what is written', 'put', CANCEL, ID, null],
    ['DATA of what is written', 'put', DATA, ID, null],
    ['FIN of what was asked for', 'put', FIN, ID, null],
    ['CTS twice', 'put', CTS, 0, words(ID, ID, 1, 100)],
    ['CTS by an unknown way', 'get', CTS, 0, words(ID, ID, 9, 100)],
    ['CTS for a copy from beyond the end', 'get', CTS, 0, words(ID, ID, 1, 4000)],
    ['CTS for a copy from before the first piece', 'get', CTS, 0, words(ID, ID, 1, 1)],
    ['CTS to share what cannot be', 'copy', CTS, 0, words(ID, ID, 2)],
    [
      'an offer that exports more than there is',
      'get',
      RTS,
      3,
      words(5000, 0, 1, 3, 0, 0, 0, 5001),
    ],
    ['an offer that exports less than it brings', 'get', RTS, 3, words(5000, 0, 1, 3, 0, 0, 0, -1)],
  ])('%s', (_what, way, kind, tag, extension) => forge(way, kind, tag, extension));

  test.each(['get', 'put', 'copy'] as const)(
    'at random, in the midst of transfers by %s',
    (way) => {
      let lost = 0;
      for (let seed = 0; seed < 150; seed++) {
        const random = new Random(seed);
        const made = scene(seed, { rendezvous: way, room: 1000 });
        const { simulation } = made;
        const requests: Request[] = [];
        for (let tag = 0; tag < 3; tag++)
          for (const [from, to] of [
            [0, 1],
            [1, 0],
          ]) {
            const length = 200 + random.below(3000);
            requests.push(send(made, filled(length, tag), from, to, tag));
            requests.push(receive(made, new Uint8Array(length), to, from, tag));
          }
        const channel = simulation.transports[0].connect(1);
        const value = () =>
          random.pick([0, 1, 2, 3, 4, -1, ID, ID * 2 + 1, 64, 128, 1000, random.next() | 0]);
        for (let i = 0; i < 40 && !channel.broken; i++) {
          simulation.step();
          const extension = words(...Array.from({ length: EXTENSION_WORDS }, value));
          const kind = random.pick([
            CTS,
            DATA,
            FIN,
            CANCEL,
            SEGMENT,
            TARGET,
            FETCHED,
            WRITTEN,
            PUT_FIN,
          ]);
          channel.trySendExtended(kind, 0, value() & 0x7fff_ffff, extension, NONE, 0, 0);
        }
        for (let i = 0; i < 3000; i++) simulation.step();
        if (channel.broken) lost++;
        for (const { error } of requests)
          if (error !== null) expect(error).toBeInstanceOf(MpiError);
        if (!channel.broken) continue;
        for (const { done } of requests) expect(done).toBe(true);
        expect(simulation.operations).toEqual([]);
        expect(simulation.open).toBe(0);
        // Who says that it is done with a segment, and is not, harms itself.
        const harm = simulation.offences.filter((what) => !what.includes('is used after'));
        expect(harm).toEqual([]);
      }
      expect(lost).toBeGreaterThan(140);
    },
  );
});
