/**
 * Control lines with ranks that are simulated in one process: operations of any number of rounds, started in order and
 * carried on in any order, against what each rank has to read in each round.
 */
import { afterEach, describe, expect, test, vi } from 'vitest';
import { MpiError } from '../../../../../runtime/base/error.ts';
import type { Engine } from '../../../../../runtime/messaging/engine.ts';
import { COMPLETE, FAILED, PENDING } from '../../../../../runtime/messaging/operation.ts';
import type { Call } from '../../../../../runtime/mpi/collective/call.ts';
import {
  LINE,
  LINE_SLOTS,
  LINE_WORDS,
  STATUS,
} from '../../../../../runtime/mpi/collective/lines/layout.ts';
import { Lines } from '../../../../../runtime/mpi/collective/lines/lines.ts';
import { AHEAD_MAX, LineOperation } from '../../../../../runtime/mpi/collective/lines/operation.ts';
import { RunningOnLines } from '../../../../../runtime/mpi/collective/lines/running.ts';
import { ALL, NONE } from '../../../../../runtime/mpi/collective/lines/slots.ts';
import { plainSignature } from '../../../../../runtime/mpi/collective/signature.ts';
import { Group } from '../../../../../runtime/mpi/group.ts';
import { Endpoint } from '../../../../../runtime/mpi/point-to-point/endpoint.ts';
import { engines, ShmGroup } from '../../../../conformance/transports/shm-group.ts';
import { Random } from '../../../../tools/random.ts';

const groups: ShmGroup[] = [];

afterEach(() => {
  vi.restoreAllMocks();
  for (const group of groups.splice(0)) group.close();
});

interface Ranks {
  group: ShmGroup;
  engines: Engine[];
  lines: Lines[];
}

function ranks(count: number, start = 0): Ranks {
  const group = new ShmGroup(count);
  groups.push(group);
  const all = engines(group);
  const session = {
    ended: false,
    checkAlive: () => {},
    abort: () => expect.unreachable(),
    near: [],
  };
  const lines = all.map((engine, rank) => {
    const world = Group.ofWorld(rank, count);
    return new Lines(new Endpoint(engine, null, world, rank, session), start);
  });
  return { group, engines: all, lines };
}

/** As {@link ranks}, after an operation that all have ended: each knows that all use the lines. */
function joined(count: number): Ranks {
  const made = ranks(count);
  for (const each of made.lines) each.begin(new Saying(each, 0, 1, 1, NONE), 0);
  for (const each of made.lines) each.poll();
  return made;
}

/** Every rank says a number in each round, and checks what it reads. */
class Saying extends LineOperation {
  readonly #serial: number;
  reads = 0;
  /** What other ranks do while this one looks. */
  meanwhile: () => void = () => {};

  constructor(
    lines: Lines,
    serial: number,
    rounds: number,
    ahead: number,
    from: number,
    type: number = 1,
  ) {
    super(lines, { ...plainSignature('bcast'), count: serial, type });
    this.#serial = serial;
    this.rounds = rounds;
    this.ahead = ahead;
    this.from = from;
  }

  #at(round: number, member: number): number {
    return this.slots.lineAt((this.first + round) | 0, member) + LINE.payload;
  }

  #words(round: number, member: number): number {
    return Math.imul(this.#serial * 1000 + round, 31) + member;
  }

  write(round: number): void {
    const at = this.#at(round, this.slots.rank);
    this.slots.words[at] = this.#words(round, this.slots.rank);
  }

  take(round: number): void {
    this.reads++;
    this.meanwhile();
    for (let member = 0; member < this.slots.size; member++)
      if (this.from === ALL || this.from === member)
        expect(this.slots.words[this.#at(round, member)]).toBe(this.#words(round, member));
  }
}

/** A random program of operations, the same for all ranks. */
function programOf(random: Random, size: number) {
  return Array.from({ length: 30 }, (_, serial) => ({
    serial,
    rounds: 1 + random.below(random.chance(0.3) ? 40 : 2),
    ahead: 1 + random.below(AHEAD_MAX),
    from: random.chance(0.5) ? ALL : random.chance(0.2) ? NONE : random.below(size),
  }));
}

describe('operations on control lines', () => {
  test.each(Array.from({ length: 40 }, (_, seed) => seed))('a random program, seed %i', (seed) => {
    const random = new Random(seed);
    const size = 2 + random.below(5);
    const { lines } = ranks(size, random.pick([0, 0x7fff_fff0, -20]));
    const program = programOf(random, size);
    const started = lines.map((): Saying[] => []);
    const slow = random.below(size);
    let idle = 0;
    while (idle < 2000) {
      const rank = random.below(size);
      if (rank === slow && random.chance(0.9)) continue;
      const mine = started[rank];
      const next = program[mine.length];
      idle++;
      if (next !== undefined && random.chance(0.3)) {
        const saying = new Saying(lines[rank], next.serial, next.rounds, next.ahead, next.from);
        mine.push(saying);
        saying.meanwhile = () => {
          const other = random.below(size);
          if (other !== rank && random.chance(0.2)) lines[other].poll();
        };
        lines[rank].begin(saying, next.serial);
        idle = 0;
      } else if (lines[rank].poll() > 0) idle = 0;
    }
    for (const mine of started)
      expect(mine.map(({ state, reads }) => [state, reads])).toEqual(
        program.map(({ rounds }) => [COMPLETE, rounds]),
      );
  });

  test('a rank writes no more than the slots before a slow one has read', () => {
    const { lines } = joined(2);
    const root = Array.from({ length: 20 }, (_, serial) => new Saying(lines[0], serial, 1, 1, 0));
    for (const [serial, saying] of root.entries()) lines[0].begin(saying, serial);
    const ended = () => root.filter(({ state }) => state === COMPLETE).length;
    expect(ended()).toBe(LINE_SLOTS);
    for (let serial = 0; serial < 20; serial++) {
      lines[1].begin(new Saying(lines[1], serial, 1, 1, 0), serial);
      lines[0].poll();
      expect(ended()).toBe(Math.min(20, LINE_SLOTS + serial + 1));
    }
  });

  test('another call in the place of one stops it, and those who know the calls are told of whom', () => {
    const { lines } = joined(3);
    const sayings = lines.map((each, rank) => new Saying(each, rank === 1 ? 4 : 3, 2, 1, ALL));
    const compared = sayings.map((): number[] => []);
    for (const [rank, saying] of sayings.entries()) {
      lines[rank].begin(saying, 7);
      if (!saying.isOver)
        saying.watch({
          site: null,
          ask: () => expect.unreachable(),
          compare: (member) => compared[rank].push(member),
          leave: () => {},
        });
    }
    for (const each of [...lines, ...lines]) each.poll();
    expect(compared).toEqual([[1], [0], [1]]);
    expect(sayings.map(({ state, reads }) => [state, reads])).toEqual(Array(3).fill([PENDING, 0]));
    expect([0, 1, 2].map((member) => sayings[0].needs(member))).toEqual([false, true, false]);
  });

  test.each(['number', 'length', 'type'])('calls that differ in their %s alone', (what) => {
    const { lines } = joined(2);
    const sayings = lines.map((each) => new Saying(each, 3, 1, 1, ALL));
    if (what === 'length') sayings[1] = new Saying(lines[1], 4, 1, 1, ALL);
    if (what === 'type') sayings[1] = new Saying(lines[1], 3, 1, 1, ALL, 2);
    lines[0].begin(sayings[0], 7);
    lines[1].begin(sayings[1], what === 'number' ? 8 : 7);
    lines[0].poll();
    expect(sayings.map(({ state }) => state)).toEqual([PENDING, PENDING]);
  });

  test('a call that ends while it is looked at waits for nobody, whoever those behind it wait for', () => {
    const [mine, others] = joined(2).lines;
    const first = new Saying(mine, 1, 1, 1, ALL);
    const second = new Saying(mine, 2, 1, 1, ALL);
    mine.begin(first, 1);
    mine.begin(second, 2);
    const running = new RunningOnLines({} as Call, mine, first, true);
    expect(running.waitsFor(1)).toBe(true);
    others.begin(new Saying(others, 1, 1, 1, ALL), 1);
    expect(running.waitsFor(1)).toBe(false);
    expect([first.state, second.state]).toEqual([COMPLETE, PENDING]);
  });

  test('calls that nobody read and that differ are found with the next one', () => {
    const { lines } = joined(2);
    for (const [rank, each] of lines.entries())
      each.begin(new Saying(each, 3, 1, 1, NONE, rank), 1);
    const sayings = lines.map((each) => new Saying(each, 3, 1, 1, ALL));
    for (const [rank, each] of lines.entries()) each.begin(sayings[rank], 2);
    lines[0].poll();
    expect(sayings.map(({ state }) => state)).toEqual([PENDING, PENDING]);
  });
});

describe('a rank that is lost', () => {
  const lost = () => new MpiError('ERR_PEER_FAILED', 'rank 2 has left');

  test.each([0, 1, 2, 3, 4, 5])('after %i rounds of five fails what needs the sixth', (written) => {
    const { lines } = joined(3);
    const sayings = lines.map((each) => new Saying(each, 1, 5, 1, ALL));
    lines[0].begin(sayings[0], 1);
    lines[1].begin(sayings[1], 1);
    // Rank 2 writes as many rounds, and then nothing: half a line is not believed.
    const [{ first }] = sayings;
    const { slots } = lines[2];
    if (written > 0) {
      sayings[2].enter(1);
      sayings[2].begin();
    }
    for (let round = 0; round < written; round++) {
      slots.words[slots.lineAt(first + round, 2) + LINE.payload] = Math.imul(1000 + round, 31) + 2;
      slots.publish(first + round, slots.word, sayings[2].length);
      lines[0].poll();
      lines[1].poll();
    }
    if (written < 5) slots.words[slots.lineAt(first + written, 2) + LINE.payload] = -1;
    for (const each of lines.slice(0, 2)) each.lost(2, lost());
    for (let turn = 0; turn < 4; turn++) for (const each of lines.slice(0, 2)) each.poll();
    for (const saying of sayings.slice(0, 2)) {
      expect(saying.state).toBe(written === 5 ? COMPLETE : FAILED);
      expect(saying.reads).toBe(written);
      if (written < 5) expect(saying.error?.code).toBe('ERR_PEER_FAILED');
    }
  });

  test('fails those as well who wait for one that waits for it', () => {
    const { lines } = joined(3);
    // Rank 0 reads of rank 1 only, which needs rank 2.
    const zero = new Saying(lines[0], 1, 3, 1, 1);
    const one = new Saying(lines[1], 1, 3, 1, ALL);
    lines[0].begin(zero, 1);
    lines[1].begin(one, 1);
    lines[1].lost(2, lost());
    expect(one.error?.code).toBe('ERR_PEER_FAILED');
    // The first look still finds the round that rank 1 had written.
    lines[0].poll();
    lines[0].poll();
    expect(zero.error?.code).toBe('ERR_PEER_FAILED');
    expect(zero.error?.message).toContain('rank 2 has left');
  });

  test('before its block was there', () => {
    const { lines } = ranks(2);
    const saying = new Saying(lines[1], 1, 1, 1, ALL);
    lines[1].begin(saying, 1);
    lines[1].lost(0, new MpiError('ERR_PEER_FAILED', 'rank 0 has left'));
    expect(saying.error?.message).toContain('rank 0 has left');
  });
});

test('an operation that nobody waits for any more goes on, and leaves memory alone', () => {
  const { lines } = joined(2);
  const left = new Saying(lines[0], 1, 1, 1, ALL);
  lines[0].begin(left, 1);
  expect(left.abandon()).toBe(true);
  const other = new Saying(lines[1], 1, 1, 1, ALL);
  lines[1].begin(other, 1);
  lines[0].poll();
  expect([left.state, left.reads, other.state, other.reads]).toEqual([COMPLETE, 0, COMPLETE, 1]);
});

test('MPI ends what is under way', () => {
  const { lines, engines: all } = ranks(2);
  const saying = new Saying(lines[0], 1, 1, 1, ALL);
  lines[0].begin(saying, 1);
  expect(saying.state).toBe(PENDING);
  all[0].close();
  expect(saying.error?.code).toBe('ERR_PENDING');
});

test('a text that a peer has spoilt is an error like any other', () => {
  const { lines } = ranks(2);
  const sayings = lines.map((each) => new Saying(each, 1, 3, 1, ALL));
  lines[0].begin(sayings[0], 1);
  lines[0].slots.words[LINE_WORDS + STATUS.broken] = 77;
  lines[0].poll();
  expect(sayings[0].error?.code).toBe('ERR_PEER_FAILED');
});

test('a line that is being written is not taken for the one that was there before', () => {
  const { lines } = joined(2);
  const [ours, others] = lines;
  const next = (each: Lines, number: number) =>
    each.begin(new Saying(each, number, 1, 1, NONE), number);
  for (let number = 1; number <= LINE_SLOTS; number++) for (const each of lines) next(each, number);
  // After each single store of the other rank this one looks back at all calls so far.
  const { words } = others.slots;
  let stores = 0;
  const put = (at: number, value: number) => {
    words[at] = value;
    stores++;
    expect(ours.slots.findOther()).toBeLessThan(0);
    return value;
  };
  others.slots.words = new Proxy(words, {
    get: (target, key) => Reflect.get(target, key),
    set: (_, key, value: number) => put(Number(key), value) === value,
  });
  vi.spyOn(Atomics, 'store').mockImplementation(((_: unknown, at: number, value: number) =>
    put(at, value)) as never);
  next(others, LINE_SLOTS + 1);
  vi.restoreAllMocks();
  expect(stores).toBeGreaterThanOrEqual(4);
});
