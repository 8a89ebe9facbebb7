/**
 * Who waits for whom, at random: rounds that come to an end are never told that they cannot, and ranks that
 * wait for each other are told, each of them, and go on. A rank looks sooner than it would otherwise.
 */
import { ANY_SOURCE, MPI, MpiError } from '../../../runtime/index.ts';
import { defineJob } from '../job.ts';
import { assert, Random, scaled } from '../lib.ts';
import { meet } from '../ring.ts';

const { world } = MPI;
const { rank, size } = world;
const LENGTHS = [0, 8, 20_000, 300_000];
/** Longer than a rank sleeps before it looks. */
const PAUSE_MS = 12;
const ENDLESS_TAG = 77;

function compute(milliseconds: number): void {
  const until = performance.now() + milliseconds;
  while (performance.now() < until);
}

const pause = (milliseconds: number) =>
  new Promise<void>((resolve) => {
    setTimeout(resolve, milliseconds);
  });

/** What a rank does before its part: nothing, compute, or leave it to a timer. */
async function hesitate(how: number): Promise<void> {
  if (how === 0) compute(PAUSE_MS);
  else if (how === 1) await pause(PAUSE_MS);
}

async function transfer(random: Random, tag: number): Promise<void> {
  const from = random.below(size);
  const to = (from + 1 + random.below(size - 1)) % size;
  const buffer = new Uint8Array(random.pick(LENGTHS));
  const [sender, receiver, blocks, any] = [8, 8, 2, 2].map((limit) => random.below(limit));
  if (rank === from) {
    await hesitate(sender);
    if (blocks) world.sendSync(buffer, to, tag);
    else await world.send(buffer, to, tag);
  } else if (rank === to) {
    await hesitate(receiver);
    const source = any ? ANY_SOURCE : from;
    if (blocks) world.recvSync(buffer, source, tag);
    else await world.recv(buffer, source, tag);
  }
}

/** All transfers of a round stand in one order, which every rank keeps: none waits in a circle. */
async function ends(): Promise<void> {
  for (let round = 0; round < scaled(60); round++) {
    const random = new Random(round);
    for (let i = 0; i < 2 * size; i++) await transfer(random, i);
    if (round % 2 === 0) world.barrierSync();
    else await world.barrier();
  }
}

/** A timer that keeps nothing alive sends, long after its rank has begun to wait for the answer. */
async function bySomethingElse(): Promise<void> {
  const buffer = new Uint8Array(8);
  const right = (rank + 1) % size;
  for (let round = 0; round < scaled(10); round++) {
    if (rank === 0) setTimeout(() => world.isend(buffer, right, 2), 10 * PAUSE_MS).unref();
    await world.recv(new Uint8Array(8), (rank + size - 1) % size, 2);
    if (rank !== 0) await world.send(buffer, right, 2);
  }
}

type Waiting = (whom: number, from: number) => Promise<unknown>;

const large = new Uint8Array(300_000);
const small = new Uint8Array(8);
const WAITINGS: Waiting[] = [
  async (whom) => world.recvSync(small, whom, ENDLESS_TAG),
  (whom) => world.recv(small, whom, ENDLESS_TAG),
  async () => world.recvSync(small, ANY_SOURCE, ENDLESS_TAG),
  () => world.recv(small, ANY_SOURCE, ENDLESS_TAG),
  async (whom) => world.sendSync(large, whom, ENDLESS_TAG + 1),
  (whom) => world.send(large, whom, ENDLESS_TAG + 1),
];
const FIRST_SEND = 4;

async function toldOf(waiting: Promise<unknown>): Promise<MpiError> {
  try {
    await waiting;
  } catch (error) {
    if (error instanceof MpiError) return error;
    throw error;
  }
  return assert.fail(`rank ${rank}: nothing should have come`);
}

function shuffled(random: Random): number[] {
  const ranks = Array.from({ length: size }, (_, one) => one);
  for (let i = size - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [ranks[i], ranks[j]] = [ranks[j], ranks[i]];
  }
  return ranks;
}

async function endless(): Promise<void> {
  for (let round = 0; round < scaled(40); round++) {
    const random = new Random(1000 + round);
    // One circle of all: no part of the ranks can be told before the rest waits, too.
    const circle = shuffled(random);
    const plan = Array.from({ length: size }, (_, from) => ({
      whom: circle[(circle.indexOf(from) + 1) % size],
      how: random.below(WAITINGS.length),
      hesitates: random.below(6),
    }));
    const { whom, how, hesitates } = plan[rank];
    await hesitate(hesitates);
    const error = await toldOf(WAITINGS[how](whom, rank));
    assert.equal(error.code, 'ERR_DEADLOCK', error.message);
    const told = error.waits?.find((wait) => wait.rank === rank);
    assert.equal(told?.operation, how < FIRST_SEND ? 'recv' : 'send', error.message);
    assert.match(told?.stack ?? '', /deadlock\.[jt]s/);
    await meet();
    // A send that nobody could end is still under way: its receiver takes it now.
    for (let from = 0; from < size; from++)
      if (plan[from].whom === rank && plan[from].how >= FIRST_SEND)
        world.recvSync(new Uint8Array(large.length), from, ENDLESS_TAG + 1);
    await meet();
  }
}

export default defineJob({
  ranks: [2, 3, 5],
  settings: [{ DREG_DEADLOCK_MS: '5' }],
  rdma: [],
  cases: {
    'what comes to an end': ends,
    'what an unreferenced timer will end': bySomethingElse,
    'what cannot': endless,
  },
});
