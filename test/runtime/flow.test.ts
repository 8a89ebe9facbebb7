/**
 * Messages that wait for credit: whatever waits where, a receive gets the message that a list would give it,
 * and nothing that could be received waits for ever. Credit is a few messages here, so that all of it
 * happens in a few steps.
 */
import { afterEach, describe, expect, test } from 'vitest';
import { ANY_SOURCE, ANY_TAG } from '../../runtime/base/constants.ts';
import type { MpiError } from '../../runtime/base/error.ts';
import { Engine } from '../../runtime/messaging/engine.ts';
import { CREDIT_UNIT_BYTES, type CreditLimits } from '../../runtime/messaging/flow/credit.ts';
import { SOUGHT_MAX } from '../../runtime/messaging/flow/send-flow.ts';
import { Communicator } from '../../runtime/mpi/communicator.ts';
import type { Request } from '../../runtime/mpi/point-to-point/request.ts';
import { SelfTransport } from '../../transports/self/transport.ts';
import type { Transport } from '../../transports/transport.ts';
import { VerbsTransport } from '../../transports/verbs/transport.ts';
import { Random } from '../jobs/programs/lib.ts';
import { ShmGroup } from '../transports/group.ts';
import { localJobs } from '../transports/verbs-group.ts';
import { Fabric, SimulatedDevice } from '../transports/verbs-simulated.ts';
import { Simulation, type SimulationOptions } from './simulated.ts';

const STEPS_MAX = 20_000;
/** Two communicators: their messages go in the same flow. */
const CONTEXTS = [0, 2];

const credit = (messages: number, units: number): CreditLimits => ({
  messages,
  bytes: units * CREDIT_UNIT_BYTES,
});

/** Ranks within this process, and how they make progress. */
type Ranks = Pick<Simulation, 'engines' | 'step' | 'offences' | 'close'>;

interface Scene<R extends Ranks = Simulation> {
  simulation: R;
  /** By rank and communicator. */
  comms: Communicator[][];
}

const open: Ranks[] = [];

afterEach(() => {
  for (const simulation of open.splice(0)) simulation.close();
});

function scene(seed: number, options: Omit<SimulationOptions, 'random'> = {}): Scene {
  const simulation = new Simulation({
    random: new Random(seed),
    credit: [credit(3, 3), credit(1, 1)],
    ...options,
  });
  return sceneOf(simulation);
}

function sceneOf<R extends Ranks>(simulation: R): Scene<R> {
  open.push(simulation);
  const comms = simulation.engines.map((engine, rank) =>
    CONTEXTS.map((context) => new Communicator(engine, context, null, rank, () => {})),
  );
  for (const engine of simulation.engines)
    for (let rank = 0; rank < comms.length; rank++) engine.contact(rank);
  return { simulation, comms };
}

function step(made: Scene<Ranks>, until: () => boolean): void {
  for (let i = 0; i < STEPS_MAX && !until(); i++) made.simulation.step();
  expect(made.simulation.offences).toEqual([]);
}

function finish(made: Scene<Ranks>, requests: Request[]): void {
  step(made, () => requests.every(({ done }) => done));
  expect(requests.map(({ done, error }) => [done, error])).toEqual(
    requests.map(() => [true, null]),
  );
}

interface Message {
  id: number;
  from: number;
  to: number;
  comm: number;
  tag: number;
  length: number;
  request: Request;
  receive: Receive | null;
}

interface Receive {
  id: number;
  at: number;
  source: number;
  comm: number;
  tag: number;
  bytes: Uint8Array;
  request: Request;
  message: Message | null;
}

const LENGTH_MAX = 700;

/** Whatever a program of several ranks sends and receives, with what its messages say. */
class Program {
  readonly made: Scene<Ranks>;
  readonly random: Random;
  readonly messages: Message[] = [];
  readonly receives: Receive[] = [];
  readonly tags: number;
  readonly sizes: readonly number[];

  constructor(made: Scene<Ranks>, random: Random) {
    this.made = made;
    this.random = random;
    this.tags = random.pick([1, 2, 5]);
    this.sizes = random.pick([[4], [4, 60, 90], [4, 90, 250, LENGTH_MAX], [0, 4]]);
  }

  get #rank(): number {
    return this.random.below(this.made.comms.length);
  }

  send(from = this.#rank, to = this.#rank): void {
    const { random, messages } = this;
    const id = messages.length;
    const comm = random.below(CONTEXTS.length);
    const tag = random.below(this.tags);
    const length = random.pick([...this.sizes]);
    const bytes = new Uint8Array(length).fill(id & 0xff);
    const request = this.made.comms[from][comm].isend(bytes, to, tag);
    messages.push({ id, from, to, comm, tag, length, request, receive: null });
  }

  receive(at = this.#rank, from = this.#rank): void {
    const { random, receives } = this;
    const comm = random.below(CONTEXTS.length);
    const source = random.below(3) === 0 ? ANY_SOURCE : from;
    const tag = random.below(3) === 0 ? ANY_TAG : random.below(this.tags);
    const bytes = new Uint8Array(LENGTH_MAX);
    const request = this.made.comms[at][comm].irecv(bytes, source, tag);
    const id = receives.length;
    receives.push({ id, at, source, comm, tag, bytes, request, message: null });
  }

  /** Which message each receive has got: of those that look like it the first that no other one has. */
  assign(): void {
    for (const receive of this.receives) {
      const { request, bytes } = receive;
      if (!request.done) continue;
      expect(request.error).toBe(null);
      const { source, tag, byteLength } = request.status;
      const message = this.messages.find(
        (m) =>
          m.receive === null &&
          m.from === source &&
          m.tag === tag &&
          m.length === byteLength &&
          canTake(receive, m) &&
          (byteLength === 0 || m.id % 256 === bytes[0]),
      );
      if (message === undefined) throw new Error(`receive ${receive.id} got what nobody sent`);
      const filled = bytes.every((byte, i) => byte === (i < byteLength ? message.id & 0xff : 0));
      if (!filled) throw new Error(`receive ${receive.id} got wrong bytes`);
      receive.message = message;
      message.receive = receive;
    }
  }

  /** What the standard says of order, for any number of senders (MPI 4.1, 3.5). */
  checkOrder(): void {
    for (const { message, ...receive } of this.receives) {
      if (message === null) continue;
      for (const older of this.messages) {
        const same = older.from === message.from && older.id < message.id;
        if (!same || !canTake(receive, older)) continue;
        if (older.receive === null || older.receive.id > receive.id)
          throw new Error(`message ${message.id} overtakes ${older.id}`);
      }
      for (const earlier of this.receives)
        if (earlier.id < receive.id && earlier.message === null && canTake(earlier, message))
          throw new Error(`receive ${receive.id} got a message of receive ${earlier.id}`);
    }
  }

  /** Nothing waits for each other. */
  checkProgress(): void {
    const waiting = this.messages.filter(({ receive }) => receive === null);
    for (const receive of this.receives)
      if (receive.message === null && waiting.some((message) => canTake(receive, message)))
        throw new Error(`receive ${receive.id} waits though a message fits it`);
  }

  /** With one sender for each receiver there is one answer only: that of a list. */
  checkList(): void {
    const left = [...this.messages];
    for (const receive of this.receives) {
      const at = left.findIndex((message) => canTake(receive, message));
      const message = at < 0 ? null : left.splice(at, 1)[0];
      if (receive.message?.id !== message?.id)
        throw new Error(`receive ${receive.id} got ${receive.message?.id}, not ${message?.id}`);
    }
  }
}

type Pattern = Pick<Receive, 'at' | 'source' | 'comm' | 'tag'>;

function canTake({ at, source, comm, tag }: Pattern, message: Message): boolean {
  if (message.to !== at || message.comm !== comm) return false;
  const from = source === ANY_SOURCE || source === message.from;
  return from && (tag === ANY_TAG || tag === message.tag);
}

/** Turns without anything new until nothing can move any more. */
const QUIET = 400;

/** A transport that is slow and small. */
function simulated(seed: number, ranks: number): Scene {
  const random = new Random(seed);
  const pick = <Item>(...items: Item[]) => random.pick(items);
  return scene(seed, {
    ranks,
    maxBody: pick(16, 100, 300),
    eagerBytes: pick(32, 100, 300),
    ways: pick(['get', 'put'] as const, ['put'] as const),
    room: pick(1, 2, 6),
    burst: pick(1, 4),
    credit: [credit(pick(1, 3, 7), pick(0, 3, 7)), credit(1, 0)],
  });
}

/** Engines over transports of their own, which make progress in random order. */
function ranksOver(
  transports: readonly Transport[],
  random: Random,
  before: () => void,
  close: () => void,
): Scene<Ranks> {
  const engines = transports.map(
    (node, rank) =>
      new Engine({
        rank,
        size: transports.length,
        self: new SelfTransport(rank),
        node,
        spinPolls: 1,
        spinMs: 1,
        singleCopy: 'auto',
        rendezvous: 'auto',
        credit: [credit(3, 7), credit(1, 0)],
      }),
  );
  const step = () => {
    before();
    for (let i = 0; i < engines.length; i++) engines[random.below(engines.length)].progress();
  };
  const closeAll = () => {
    for (const engine of engines) engine.loop.close();
    close();
  };
  return sceneOf({ engines, step, offences: [], close: closeAll });
}

function overShm(seed: number, ranks: number): Scene<Ranks> {
  const group = new ShmGroup(ranks);
  return ranksOver(
    group.transports,
    new Random(seed),
    () => {},
    () => group.close(),
  );
}

function overVerbs(seed: number, ranks: number): Scene<Ranks> {
  const random = new Random(seed);
  const fabric = new Fabric({ random });
  const transports = localJobs(ranks).map(
    (job) => new VerbsTransport(new SimulatedDevice(fabric), job),
  );
  return ranksOver(
    transports,
    random,
    () => fabric.deliverOne(),
    () => {
      for (const transport of transports) transport.close();
    },
  );
}

function mix(seed: number, made: Scene<Ranks>): void {
  const random = new Random(seed);
  const pick = <Item>(...items: Item[]) => random.pick(items);
  const ranks = made.comms.length;
  const program = new Program(made, random);
  const one = ranks === 2;
  const [sends, receives] = pick([6, 2], [4, 4], [3, 5]);
  for (let i = 0; i < 150; i++) {
    const what = random.below(12);
    // With two ranks each has one sender, the other one.
    const from = one ? random.below(2) : undefined;
    const to = from === undefined ? undefined : 1 - from;
    if (what < sends) program.send(from, to);
    else if (what < sends + receives) program.receive(to, from);
    else for (let turns = random.below(12); turns > 0; turns--) made.simulation.step();
  }
  for (let i = 0; i < QUIET; i++) made.simulation.step();
  // Receives posted late, some of them for what waits behind all else.
  for (let i = 0; i < 60; i++) {
    const from = one ? random.below(2) : undefined;
    program.receive(from === undefined ? undefined : 1 - from, from);
    for (let turns = random.below(4); turns > 0; turns--) made.simulation.step();
  }
  for (let i = 0; i < 10 * QUIET; i++) made.simulation.step();
  expect(made.simulation.offences).toEqual([]);
  program.assign();
  program.checkProgress();
  program.checkOrder();
  if (one) program.checkList();
}

describe.each([
  ['a slow transport', simulated, 300],
  ['shared memory', overShm, 20],
  ['RDMA', overVerbs, 60],
] as const)('over %s any program gets what a list would give it', (_name, network, seeds) => {
  test.each([2, 3])('%i ranks', (ranks) => {
    for (let seed = 0; seed < seeds; seed++)
      try {
        mix(seed, network(seed, ranks));
      } catch (error) {
        throw new Error(`seed ${seed}`, { cause: error });
      } finally {
        for (const simulation of open.splice(0)) simulation.close();
      }
  });
});

const byte = (value = 0) => Uint8Array.of(value);

/** More than the credit of a scene: the last ones wait. */
function flood({ comms }: Scene, from: number, to: number, tag: number, count = 10): Request[] {
  return Array.from({ length: count }, (_, i) => comms[from][0].isend(byte(i), to, tag));
}

function settle({ simulation }: Scene<Ranks>): void {
  for (let i = 0; i < QUIET; i++) simulation.step();
}

/** Receives a flood in order. */
function receiveAll(made: Scene, at: number, from: number, tag: number, count = 10): void {
  for (let i = 0; i < count; i++) {
    const bytes = new Uint8Array(4);
    finish(made, [made.comms[at][0].irecv(bytes, from, tag)]);
    expect(bytes[0]).toBe(i);
  }
}

describe('a receive gets a message behind others that nobody receives', () => {
  test.each([
    ['small', 1],
    ['in pieces', 80],
    ['large', 2000],
  ])('%s', (_what, length) => {
    const made = scene(1);
    const waiting = flood(made, 0, 1, 1);
    const last = made.comms[0][0].isend(new Uint8Array(length).fill(9), 1, 2);
    settle(made);
    expect(waiting.some(({ done }) => !done)).toBe(true);
    const bytes = new Uint8Array(length);
    finish(made, [last, made.comms[1][0].irecv(bytes, 0, 2)]);
    expect(bytes).toEqual(new Uint8Array(length).fill(9));
    receiveAll(made, 1, 0, 1);
    finish(made, waiting);
  });

  test('of any tag, in another communicator', () => {
    const made = scene(1);
    const waiting = flood(made, 0, 1, 1);
    const sent = [3, 4].map((tag) => made.comms[0][1].isend(byte(tag), 1, tag));
    settle(made);
    const bytes = byte();
    finish(made, [made.comms[1][1].irecv(bytes, ANY_SOURCE, ANY_TAG)]);
    expect(bytes).toEqual(byte(3));
    finish(made, [made.comms[1][1].irecv(bytes, 0, ANY_TAG)]);
    expect(bytes).toEqual(byte(4));
    receiveAll(made, 1, 0, 1);
    finish(made, [...waiting, ...sent]);
  });

  test('sent to the rank itself', () => {
    const made = scene(1);
    const waiting = flood(made, 0, 0, 1);
    const last = made.comms[0][0].isend(byte(9), 0, 2);
    finish(made, [made.comms[0][0].irecv(byte(), 0, 2), last]);
    receiveAll(made, 0, 0, 1);
    finish(made, waiting);
  });

  test('that is sent after the receive was posted', () => {
    const made = scene(1);
    const tags = Array.from({ length: 5 }, (_, i) => 10 + i);
    const receives = tags.map((tag) => made.comms[1][0].irecv(byte(), 0, tag));
    const waiting = flood(made, 0, 1, 1);
    settle(made);
    for (const tag of [12, 14, 10, 13, 11]) {
      expect(receives[tag - 10].done).toBe(false);
      finish(made, [made.comms[0][0].isend(byte(), 1, tag), receives[tag - 10]]);
    }
    receiveAll(made, 1, 0, 1);
    finish(made, waiting);
  });

  test('that is sent after more patterns were sought than the sender remembers', () => {
    const made = scene(1, { room: 100, burst: 100 });
    const waiting = flood(made, 0, 1, 1);
    const count = SOUGHT_MAX + 50;
    const receives = Array.from({ length: count }, (_, i) =>
      made.comms[1][0].irecv(byte(), 0, 10 + i),
    );
    for (let i = 0; i < 20 * count; i++) made.simulation.step();
    const sends = [count - 1, 0, SOUGHT_MAX].map((i) => {
      const send = made.comms[0][0].isend(byte(), 1, 10 + i);
      finish(made, [send, receives[i]]);
      return send;
    });
    expect(sends.length).toBe(3);
    receiveAll(made, 1, 0, 1);
    finish(made, waiting);
  });

  test('from whom it may come, where several wait', () => {
    const made = scene(1, { ranks: 4 });
    const waiting = [1, 2, 3].flatMap((from) => flood(made, from, 0, 1));
    const last = [1, 2, 3].map((from) => made.comms[from][0].isend(byte(from), 0, 2));
    settle(made);
    const received: number[] = [];
    for (let i = 0; i < 3; i++) {
      const bytes = byte();
      const receive = made.comms[0][0].irecv(bytes, ANY_SOURCE, 2);
      finish(made, [receive]);
      expect(receive.status.source).toBe(bytes[0]);
      received.push(bytes[0]);
    }
    expect(received.sort()).toEqual([1, 2, 3]);
    for (const from of [1, 2, 3]) receiveAll(made, 0, from, 1);
    finish(made, [...waiting, ...last]);
  });
});

test("the library's own messages do not wait behind the program's", () => {
  const made = scene(1);
  const [a, b] = [made.comms[0][0], made.comms[1][0]];
  const waiting = flood(made, 0, 1, 1, 50);
  settle(made);
  for (let round = 0; round < 20; round++)
    finish(made, [...a.signal(1, 1, round), ...b.signal(0, 0, round)]);
  // Nor does a message that nobody receives stand before them in their own flow.
  const signals = Array.from({ length: 9 }, (_, i) => a.signal(1, 1, 100 + i));
  settle(made);
  for (const i of [8, 3, 0]) finish(made, [...signals[i], ...b.signal(0, 0, 100 + i)]);
  expect(waiting.some(({ done }) => !done)).toBe(true);
});

test('what is kept stays within the credit, which comes round', () => {
  const made = scene(1, { eagerBytes: 2000, maxBody: 2000, credit: [credit(7, 31), credit(1, 0)] });
  const kept = () => made.simulation.engines[1].peers[0]?.incoming[0].kept ?? 0;
  const sends: Request[] = [];
  const largest = [0, 0];
  for (let i = 0; i < 2500; i++) {
    sends.push(made.comms[0][0].isend(new Uint8Array(1000).fill(i), 1, 0));
    if (i % 10 !== 9) continue;
    settle(made);
    largest[0] = Math.max(largest[0], kept() & (2 ** 18 - 1));
    largest[1] = Math.max(largest[1], kept() >>> 18);
    for (let j = i - 9; j <= i; j++) {
      const bytes = new Uint8Array(1000);
      finish(made, [made.comms[1][0].irecv(bytes, 0, 0)]);
      expect(bytes[999]).toBe(j & 0xff);
    }
  }
  finish(made, sends);
  expect(kept()).toBe(0);
  expect(largest).toEqual([7, 27]);
});

describe('a message that was asked for and cannot leave', () => {
  /** A receive that was promised a message, and that message, before it has left. */
  function promised(): { made: Scene; bytes: Uint8Array; sent: Request; received: Request } {
    const made = scene(1);
    flood(made, 0, 1, 1);
    const bytes = new Uint8Array(4);
    const sent = made.comms[0][0].isend(bytes, 1, 2);
    settle(made);
    const received = made.comms[1][0].irecv(new Uint8Array(4), 0, 2);
    step(made, () => made.simulation.engines[1].peers[0]?.promises === 1);
    expect(made.simulation.engines[1].peers[0]?.promises).toBe(1);
    return { made, bytes, sent, received };
  }

  test('since its buffer is gone: both ends fail, and the flow goes on', () => {
    const { made, bytes, sent, received } = promised();
    structuredClone(bytes, { transfer: [bytes.buffer as ArrayBuffer] });
    step(made, () => sent.done && received.done);
    const codes = [sent, received].map(({ error }) => error?.code);
    expect(codes).toEqual(['ERR_BUFFER', 'ERR_BUFFER']);
    receiveAll(made, 1, 0, 1);
  });

  test('since the peer is lost: the receive fails', () => {
    const { made, sent, received } = promised();
    made.simulation.lose(0, 1);
    const codes = [sent, received].map(({ error }) => (error as MpiError | null)?.code);
    expect(codes).toEqual(['ERR_PEER_FAILED', 'ERR_PEER_FAILED']);
  });
});
