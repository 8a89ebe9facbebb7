/** Persistent collective operations of ranks that are simulated in one process: each has control lines of its own. */
import { afterEach, expect, test } from 'vitest';
import { countTraffic, type Traffic } from '../../../../../runtime/messaging/traffic.ts';
import { prepareBarrier } from '../../../../../runtime/mpi/collective/barrier.ts';
import { Calls } from '../../../../../runtime/mpi/collective/calls.ts';
import { PersistentCollective } from '../../../../../runtime/mpi/collective/persistent-collective.ts';
import { Group } from '../../../../../runtime/mpi/group.ts';
import { Endpoint } from '../../../../../runtime/mpi/point-to-point/endpoint.ts';
import type { StartedRequest } from '../../../../../runtime/mpi/point-to-point/started-request.ts';
import { engines, ShmGroup } from '../../../../conformance/transports/shm-group.ts';

const RANKS = 3;
const SESSION = {
  ended: false,
  checkAlive: () => {},
  abort: () => expect.unreachable(),
  near: [],
};

const groups: ShmGroup[] = [];

afterEach(() => {
  for (const group of groups.splice(0)) group.close();
});

function ranks() {
  const group = new ShmGroup(RANKS);
  groups.push(group);
  const traffic: Traffic[] = group.transports.map(countTraffic);
  const all = engines(group);
  const calls = all.map((engine, rank) => {
    const world = Group.ofWorld(rank, RANKS);
    return new Calls(new Endpoint(engine, null, world, rank, SESSION));
  });
  return { group, traffic, all, calls };
}

const barriersOf = (calls: readonly Calls[]) =>
  calls.map((each) => new PersistentCollective(each, prepareBarrier(each.endpoint)));

/** Each rank makes progress, in turn. */
function turn(all: readonly { progress(): number }[]): void {
  for (let i = 0; i < 20; i++) for (const engine of all) engine.progress();
}

const ended = (requests: readonly StartedRequest<void>[]) => requests.map(({ done }) => done);

test('ranks start them in any order, round after round, and no message is sent', () => {
  const { traffic, all, calls } = ranks();
  const [a, b] = [barriersOf(calls), barriersOf(calls)];
  for (let round = 0; round < 20; round++) {
    const others = [a[0], b[1], a[2]].map((one) => one.start());
    turn(all);
    expect(ended(others)).toEqual([false, false, false]);
    const last = [b[0], a[1], b[2]].map((one) => one.start());
    turn(all);
    expect(ended([...others, ...last])).not.toContain(false);
    for (const request of [...others, ...last]) request.wait();
  }
  expect(traffic.map(({ messages }) => messages)).toEqual([0, 0, 0]);
});

test('their memory is given back once all ranks have freed them', () => {
  const { group, all, calls } = ranks();
  const run = () => {
    const barriers = barriersOf(calls);
    const requests = barriers.map((one) => one.start());
    turn(all);
    expect(ended(requests)).not.toContain(false);
    for (const request of requests) request.wait();
    for (const one of barriers) one[Symbol.dispose]();
  };
  run();
  const before = group.memory;
  for (let i = 0; i < 50; i++) run();
  expect(group.memory).toBe(before);
});

test('a communicator that is freed takes their lines along', () => {
  const { group, all, calls } = ranks();
  const before = group.memory;
  const made = [1, 2, 3].map(() => barriersOf(calls));
  for (const barriers of made) {
    const requests = barriers.map((one) => one.start());
    turn(all);
    for (const request of requests) request.wait();
  }
  const full = group.memory;
  expect(full).toBeGreaterThan(before);
  for (const each of calls) each.freeLines();
  // The next one finds that nobody touches them any more, and uses their memory again.
  for (const barriers of [1, 2, 3].map(() => barriersOf(calls)))
    for (const one of barriers) one.start();
  turn(all);
  expect(group.memory).toBe(full);
});
