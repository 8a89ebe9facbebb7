/**
 * Random programs that make communicators, talk on them and free them, each rank at its own time, with hardly any
 * credit and over a transport with hardly any room: whatever is on its way when, a receive gets messages of
 * its own communicator only, every send ends, and all numbers are given back.
 */
import { afterEach, describe, expect, test } from 'vitest';
import { ANY_SOURCE, ANY_TAG } from '../../../../../runtime/base/constants.ts';
import type { Communicator, Request } from '../../../../../runtime/index.ts';
import { Random } from '../../../../tools/random.ts';
import { closeScenes, credit, type Scene, scene, settle, step } from '../flow/scene.ts';

afterEach(closeScenes);

const RANKS = 4;
const LENGTH_MAX = 300;

/** What all its members do, each when it comes to it. */
interface Making {
  id: number;
  kind: 'dup' | 'split' | 'group';
  members: number[];
  tag: number;
}

interface Held {
  id: number;
  comm: Communicator;
}

class Life {
  readonly made: Scene;
  readonly random: Random;
  readonly makings: Making[] = [];
  /** By rank: how many it has begun, those under way, those that are there. */
  readonly begun: number[] = Array(RANKS).fill(0);
  readonly pending: { id: number; request: Request<Communicator> }[][] = Array.from(
    { length: RANKS },
    () => [],
  );
  readonly held: Held[][] = Array.from({ length: RANKS }, () => []);
  readonly sends: Request[] = [];
  readonly receives: { id: number; bytes: Uint8Array; request: Request }[] = [];

  constructor(seed: number) {
    this.random = new Random(seed);
    this.made = scene(seed, {
      ranks: RANKS,
      credit: [credit(3, 3), credit(1, 1)],
      eagerBytes: 100,
    });
  }

  world(rank: number): Communicator {
    return this.made.comms[rank][0];
  }

  /** A rank begins what is next for it. */
  begin(rank: number): void {
    const { random, makings } = this;
    if (this.begun[rank] === makings.length) {
      const kind = random.pick(['dup', 'split', 'group', 'group'] as const);
      const some = Array.from({ length: RANKS }, (_, each) => each).filter(
        (each) => kind === 'dup' || each === rank || random.below(2) === 0,
      );
      makings.push({ id: makings.length + 1, kind, members: some, tag: random.below(2) });
    }
    const { id, kind, members, tag } = makings[this.begun[rank]++];
    const world = this.world(rank);
    const member = members.includes(rank);
    if (kind === 'dup') this.await(rank, id, world.dup());
    else if (kind === 'split') this.await(rank, id, world.split(member ? 1 : 0));
    else if (member) this.await(rank, id, world.createGroup(world.group.incl(members), tag));
  }

  await(rank: number, id: number, request: Request<Communicator>): void {
    this.pending[rank].push({ id, request });
  }

  act(): void {
    const { random } = this;
    const rank = random.below(RANKS);
    const what = random.below(20);
    if (what < 2) this.begin(rank);
    for (const each of this.pending[rank].splice(0))
      if (!each.request.done) this.pending[rank].push(each);
      else if (each.request.error !== null) throw each.request.error;
      else this.held[rank].push({ id: each.id, comm: each.request.result });
    const held = this.held[rank];
    if (held.length === 0) return;
    const at = random.below(held.length);
    const { id, comm } = held[at];
    if (what < 9) this.send(id, comm);
    else if (what < 16) this.receive(id, comm);
    else if (what < 17 || held.length > 4) {
      comm.free();
      held.splice(at, 1);
    }
  }

  /** Its communicator is in each of its bytes. */
  send(id: number, comm: Communicator): void {
    const bytes = new Uint8Array(this.random.pick([1, 60, 90, LENGTH_MAX])).fill(nameOf(id, comm));
    this.sends.push(comm.isend(bytes, this.random.below(comm.size), this.random.below(2)));
  }

  receive(id: number, comm: Communicator): void {
    const { random } = this;
    const bytes = new Uint8Array(LENGTH_MAX);
    const source = random.below(2) === 0 ? ANY_SOURCE : random.below(comm.size);
    const tag = random.below(2) === 0 ? ANY_TAG : random.below(2);
    const request = comm.irecv(bytes, source, tag);
    this.receives.push({ id: nameOf(id, comm), bytes, request });
  }

  end(): void {
    const last = this.makings.length;
    for (let rank = 0; rank < RANKS; rank++) while (this.begun[rank] < last) this.begin(rank);
    step(this.made, () => this.pending.flat().every(({ request }) => request.done));
    for (const { comm } of this.held.flat()) comm.free();
    for (const { request } of this.pending.flat()) request.result.free();
    // Nobody sends what they wait for.
    for (const { request } of this.receives) request.cancel();
    settle(this.made);
    step(this.made, () =>
      [...this.sends, ...this.receives.map(({ request }) => request)].every(({ done }) => done),
    );
  }

  check(): void {
    for (const { id, bytes, request } of this.receives) {
      expect(request.error).toBe(null);
      if (request.status.cancelled) continue;
      const got = bytes.subarray(0, request.status.byteLength);
      if (got.some((byte) => byte !== id)) throw new Error(`a receive of ${id} got ${got[0]}`);
      expect(request.status.source).toBeGreaterThanOrEqual(0);
    }
    expect(this.sends.map(({ error }) => error).filter((error) => error !== null)).toEqual([]);
  }
}

/** Both sides of a split have the same number. */
function nameOf(id: number, comm: Communicator): number {
  return 1 + ((id * 7 + comm.group.worldOf(0)) % 250);
}

describe.each(Array.from({ length: 20 }, (_, seed) => seed))('seed %i', (seed) => {
  test('each receive gets messages of its own communicator', () => {
    const life = new Life(seed);
    const base = life.made.simulation.engines.map(({ receiving }) => receiving.contexts.live);
    for (let turn = 0; turn < 1500; turn++) {
      life.act();
      for (let i = life.random.below(3); i > 0; i--) life.made.simulation.step();
    }
    life.end();
    life.check();
    expect(life.receives.filter(({ request }) => !request.status.cancelled).length).toBeGreaterThan(
      20,
    );
    // All that were made are given back.
    expect(life.made.simulation.engines.map(({ receiving }) => receiving.contexts.live)).toEqual(
      base,
    );
  });
});
