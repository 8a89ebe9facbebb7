/**
 * A peer that writes garbage into the rings: an MpiError, never a crash, never an access outside of the
 * ring, and whoever waited for that peer is told. The others go on.
 */
import { afterEach, describe, expect, test } from 'vitest';
import { MpiError } from '../../../../runtime/base/error.ts';
import type { Request } from '../../../../runtime/index.ts';
import type { Engine } from '../../../../runtime/messaging/engine.ts';
import type { Communicator } from '../../../../runtime/mpi/communicator.ts';
import { worldOf } from '../../../../runtime/mpi/first-communicators.ts';
import {
  CELL,
  CELL_WORDS,
  CELLS,
  CONTROL,
  MAX_BODY,
  REGION,
} from '../../../../transports/shm/layout.ts';
import { engines, ShmGroup } from '../../../conformance/transports/shm-group.ts';
import { Random } from '../../../tools/random.ts';

/** Packets of messages and of flow control, and what is next to them. */
const KINDS = [...Array(20).keys(), ...Array.from({ length: 10 }, (_, i) => 31 + i)];
const VICTIM = 1;
const ATTACKER = 0;
const BYSTANDER = 2;
const NONE = new Uint8Array(0);

interface Scene {
  group: ShmGroup;
  all: Engine[];
  comms: Communicator[];
  /** The cells of the ring from the attacker to the victim. */
  words: Int32Array;
}

const scenes: Scene[] = [];

/** Ends the engines first: what they have posted would poll on in the event loop. */
function closeScenes(): void {
  for (const { group, all } of scenes.splice(0)) {
    for (const engine of all) engine.loop.close();
    group.close();
  }
}

afterEach(closeScenes);

/** Three ranks that have talked to each other. */
function scene(): Scene {
  const group = new ShmGroup(3);
  const all = engines(group, 'auto');
  const comms = all.map((engine) => worldOf(engine));
  const made: Scene = { group, all, comms, words: new Int32Array(0) };
  scenes.push(made);
  for (const from of [0, 1, 2])
    for (const to of [0, 1, 2])
      if (from !== to) comms[from].isend(new Uint8Array(8), to, 1000 + from);
  for (const to of [0, 1, 2])
    for (const from of [0, 1, 2])
      if (from !== to) finish(made, comms[to].irecv(new Uint8Array(8), from, 1000 + from));
  made.words = new Int32Array(group.region(ATTACKER, VICTIM), REGION.cells, CELLS * CELL_WORDS);
  return made;
}

/** Progress on all sides until an operation has ended. */
function finish({ all }: Scene, request: Request): void {
  for (let i = 0; i < 20_000 && !request.done; i++) for (const engine of all) engine.progress();
  expect(request.done).toBe(true);
}

/** Publishes a packet of the attacker's, spoilt before the victim can look. */
function publish({ group, words }: Scene, fill: (cell: Int32Array) => void): void {
  const sequences = () =>
    Array.from({ length: CELLS }, (_, cell) => words[cell * CELL_WORDS + CELL.sequence]);
  const before = sequences();
  if (!group.transports[ATTACKER].connect(VICTIM).trySend(200, 0, 0, NONE, 0, 0)) return;
  const index = sequences().findIndex((sequence, cell) => sequence !== before[cell]);
  const cell = words.subarray(index * CELL_WORDS, (index + 1) * CELL_WORDS);
  const sequence = cell[CELL.sequence];
  fill(cell);
  Atomics.store(cell, CELL.sequence, sequence);
}

/** What the victim waits for, of the attacker and of others. */
function waits({ comms }: Scene) {
  const victim = comms[VICTIM];
  return {
    ofAttacker: [
      victim.irecv(new Uint8Array(100), ATTACKER, 0x7fff_fff0),
      victim.isend(new Uint8Array(200_000), ATTACKER, 5),
    ],
    ofBystander: victim.irecv(new Uint8Array(100), BYSTANDER, 0x7fff_fff1),
  };
}

/** The victim has noticed: its waits for the attacker fail, and the bystander is still served. */
function expectLost(scene: Scene, { ofAttacker, ofBystander }: ReturnType<typeof waits>): void {
  const { all, comms } = scene;
  for (let i = 0; i < 20; i++) all[VICTIM].progress();
  for (const request of ofAttacker) {
    expect(request.done).toBe(true);
    expect(request.error).toBeInstanceOf(MpiError);
    expect(request.error).toMatchObject({ code: 'ERR_PROTOCOL', peer: ATTACKER, rank: VICTIM });
  }
  expect(() => comms[VICTIM].irecv(new Uint8Array(8), ATTACKER, 0x7fff_fff2)).toThrow(
    expect.objectContaining({ code: 'ERR_PROTOCOL' }),
  );
  expect(() => comms[VICTIM].isend(new Uint8Array(8), ATTACKER)).toThrow(
    expect.objectContaining({ code: 'ERR_PROTOCOL' }),
  );
  const sent = comms[BYSTANDER].isend(new Uint8Array(100).fill(6), VICTIM, 0x7fff_fff1);
  finish(scene, ofBystander);
  finish(scene, sent);
  expect(ofBystander.error).toBe(null);
}

const header = (kind: number, context: number, extended: boolean) =>
  kind | (context << 8) | (extended ? 1 << 31 : 0);

describe('one packet that no peer of ours sends', () => {
  const set = (cell: Int32Array, kindContext: number, tag: number, length: number) => {
    cell[CELL.kindContext] = kindContext;
    cell[CELL.tag] = tag;
    cell[CELL.length] = length;
  };
  const words = (cell: Int32Array, ...values: number[]) => cell.set(values, CELL.extension);
  const search = (cell: Int32Array, kind: number, ...values: number[]) => {
    set(cell, header(kind, 0, true), 0, 0);
    words(cell, ...values);
  };

  test.each<[string, (cell: Int32Array) => void]>([
    ['an unknown kind', (cell) => set(cell, header(200, 0, false), 0, 0)],
    ['the kind 0', (cell) => set(cell, header(0, 0, false), 0, 0)],
    ['a body beyond the largest', (cell) => set(cell, header(1, 0, false), 0, MAX_BODY + 1)],
    ['a body of 2 GiB', (cell) => set(cell, header(1, 0, false), 0, 0x7fff_ffff)],
    ['a negative body', (cell) => set(cell, header(1, 0, false), 0, -1)],
    ['an unknown context', (cell) => set(cell, header(1, 0x3f_ffff, false), 0, 8)],
    ['a negative tag', (cell) => set(cell, header(1, 0, false), -1, 8)],
    [
      'an offer by an unknown way',
      (cell) => {
        set(cell, header(2, 0, true), 0x7fff_fff0, 0);
        words(cell, 100_000, 0, 1, 99, 0, 0);
      },
    ],
    [
      'an offer shorter than its first bytes',
      (cell) => {
        set(cell, header(2, 0, true), 0x7fff_fff0, 100);
        words(cell, 99, 0, 1, 0, 0, 0);
      },
    ],
    [
      'an offer of a negative length',
      (cell) => {
        set(cell, header(2, 0, true), 0x7fff_fff0, 0);
        words(cell, 0, -1, 1, 0, 0, 0);
      },
    ],
    [
      'an offer of more than 2^53',
      (cell) => {
        set(cell, header(2, 0, true), 0x7fff_fff0, 0);
        words(cell, 0, 0x7fff_ffff, 1, 0, 0, 0);
      },
    ],
    [
      'an answer to what was never sent',
      (cell) => {
        set(cell, header(3, 0, true), 0, 0);
        words(cell, 12_345, 1, 1, 0, 0, 0);
      },
    ],
    ['bytes of what was never offered', (cell) => set(cell, header(4, 0, false), 999, 20)],
    ['the end of what was never sent', (cell) => set(cell, header(5, 0, false), 999, 0)],
    ['the recall of what was never sent', (cell) => set(cell, header(6, 0, false), 999, 0)],
    ['pieces of nothing', (cell) => set(cell, header(8, 0, false), 999, 20)],
    ['a packet of an unknown flow', (cell) => set(cell, header(32, 0, false), 2, 0)],
    ['a search for a negative tag', (cell) => search(cell, 33, 0, -2)],
    ['an answer to no search', (cell) => search(cell, 34)],
    ['a message found that was not sought', (cell) => search(cell, 35, 0, 1, 1)],
    ['a message found in an unknown context', (cell) => search(cell, 35, 1000, 1, 0)],
    ["a message found in the other flow's context", (cell) => search(cell, 35, 1, 1, 0)],
    ['the wish for a message that was not found', (cell) => search(cell, 36)],
    ['no wish for a message that was not found', (cell) => search(cell, 37)],
    ['the loss of a message that was not asked for', (cell) => search(cell, 38)],
    ['an unknown packet of flow control', (cell) => search(cell, 40)],
    [
      'a message in pieces of 2 GiB',
      (cell) => {
        set(cell, header(7, 0, true), 3, 20);
        words(cell, 0x7fff_ffff, 1);
      },
    ],
    [
      'a message in pieces of no bytes',
      (cell) => {
        set(cell, header(7, 0, true), 3, 0);
        words(cell, 0, 1);
      },
    ],
  ])('%s', (_what, fill) => {
    const made = scene();
    const waiting = waits(made);
    publish(made, fill);
    expectLost(made, waiting);
  });

  test('more than the credit allows', () => {
    const made = scene();
    const waiting = waits(made);
    for (let i = 0; i < 400_000 && !waiting.ofAttacker[0].done; i++) {
      publish(made, (cell) => set(cell, header(1, 0, false), 7, 0));
      made.all[VICTIM].progress();
    }
    expectLost(made, waiting);
  });
});

test.each([
  ['seeks', 33],
  ['tells of messages', 35],
])('a peer that %s and takes no answer is lost', (_what, kind) => {
  const made = scene();
  const waiting = waits(made);
  for (let i = 0; i < 1000 && !waiting.ofAttacker[0].done; i++) {
    publish(made, (cell) => {
      cell[CELL.kindContext] = header(kind, 0, true);
      cell[CELL.tag] = 0;
      cell[CELL.length] = 0;
      cell.set([0, 99, 0], CELL.extension);
    });
    made.all[VICTIM].progress();
  }
  expectLost(made, waiting);
});

/** Random cells: some words as ours, some at random, so that garbage comes deep into the protocol. */
function randomCell(random: Random, cell: Int32Array): void {
  const any = () => random.pick([0, 1, 2, 3, -1, random.next() | 0, random.below(70_000)]);
  for (let i = 0; i < cell.length; i++) cell[i] = any();
  if (random.below(8) > 0)
    cell[CELL.kindContext] = header(random.pick(KINDS), random.below(3), random.below(2) === 0);
  if (random.below(4) > 0) cell[CELL.length] = random.below(random.pick([1, 60, MAX_BODY + 2]));
  if (random.below(4) > 0) cell[CELL.tag] = random.below(4);
}

describe('garbage', () => {
  test('in the cells: ERR_PROTOCOL and nothing else, whatever it says', () => {
    let lost = 0;
    for (let seed = 0; seed < 150; seed++) {
      const made = scene();
      const random = new Random(seed);
      const victim = made.comms[VICTIM];
      // Transfers of all kinds are under way, so that garbage may hit one.
      const requests = [
        victim.irecv(new Uint8Array(60_000), ATTACKER, 0),
        victim.irecv(new Uint8Array(10), ATTACKER, 1),
        victim.isend(new Uint8Array(100_000), ATTACKER, 2),
        victim.isend(new Uint8Array(20_000), ATTACKER, 3),
      ];
      const waiting = victim.irecv(new Uint8Array(8), ATTACKER, 0x7fff_fff0);
      for (let i = 0; i < 300 && !waiting.done; i++) {
        publish(made, (cell) => randomCell(random, cell));
        made.all[VICTIM].progress();
      }
      for (const { done, error } of [...requests, waiting]) {
        if (!done || error === null) continue;
        expect(
          ['ERR_PROTOCOL', 'ERR_TRUNCATE', 'ERR_PEER_FAILED', 'ERR_BUFFER'],
          error.message,
        ).toContain(error.code);
      }
      if (waiting.done) lost++;
      closeScenes();
    }
    // Nearly every stream of garbage must have been told from messages.
    expect(lost).toBeGreaterThan(140);
  });

  test('anywhere in the region, while messages flow', () => {
    for (let seed = 0; seed < 60; seed++) {
      const made = scene();
      const random = new Random(1000 + seed);
      const region = new Int32Array(made.group.region(ATTACKER, VICTIM));
      const back = new Int32Array(made.group.region(VICTIM, ATTACKER));
      const control = made.group.control(VICTIM);
      const [attacker, victim] = made.comms;
      const requests: Request[] = [];
      for (let i = 0; i < 40; i++) {
        try {
          const length = random.pick([8, 100, 9000, 20_000, 90_000]);
          requests.push(attacker.isend(new Uint8Array(length), VICTIM, i % 3));
          requests.push(victim.irecv(new Uint8Array(length), ATTACKER, i % 3));
          requests.push(victim.isend(new Uint8Array(length), ATTACKER, 9));
        } catch (error) {
          expect(error).toBeInstanceOf(MpiError);
        }
        for (const memory of [region, back]) {
          memory[random.below(64)] = random.next();
          memory[random.below(memory.length)] = random.next();
        }
        control[random.pick([CONTROL.contacts, CONTROL.presence, CONTROL.contactFlags + 7])] =
          random.next();
        for (const engine of made.all) engine.progress();
      }
      for (const { error } of requests) if (error !== null) expect(error).toBeInstanceOf(MpiError);
      closeScenes();
    }
  });
});

test.each([
  ['an offer', 200_000, 'never'],
  ['the first bytes of a message', 30_000, 'auto'],
] as const)('%s of a peer that is lost since fails its receive', (_what, length, singleCopy) => {
  const group = new ShmGroup(2);
  const all = engines(group, singleCopy);
  const comms = all.map((engine) => worldOf(engine));
  const made: Scene = { group, all, comms, words: new Int32Array(0) };
  scenes.push(made);
  comms[ATTACKER].isend(new Uint8Array(length), VICTIM, 5);
  // More than the ring holds, so that a message in pieces cannot have come whole.
  for (let i = 0; i < 4; i++) comms[ATTACKER].isend(new Uint8Array(30_000), VICTIM, 6);
  for (let i = 0; i < 3; i++) all[VICTIM].progress();
  made.words = new Int32Array(group.region(ATTACKER, VICTIM), REGION.cells, CELLS * CELL_WORDS);
  publish(made, () => {});
  for (let i = 0; i < 20; i++) all[VICTIM].progress();
  expect(() => comms[VICTIM].irecv(new Uint8Array(8), ATTACKER, 99)).toThrow(MpiError);
  for (const tag of length > 100_000 ? [5] : [6, 6, 6, 6]) {
    let request: Request | null = null;
    try {
      request = comms[VICTIM].irecv(new Uint8Array(length), ATTACKER, tag);
    } catch (error) {
      expect(error).toMatchObject({ code: 'ERR_PROTOCOL' });
    }
    for (let i = 0; i < 20; i++) all[VICTIM].progress();
    if (request !== null) expect(request.done).toBe(true);
  }
});
