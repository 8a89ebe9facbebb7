/** Two ranks and a board that is simulated: what is found, and what keeps it from being found. */
import { beforeEach, expect, test, vi } from 'vitest';
import { type Board, Standstill } from '../../../../../runtime/messaging/deadlock/standstill.ts';
import type { Wait } from '../../../../../runtime/messaging/deadlock/waits.ts';

const clock = vi.hoisted(() => ({ time: 0 }));
vi.mock(import('../../../../../runtime/base/clock.ts'), async (original) => ({
  ...(await original()),
  now: () => clock.time,
}));

/** The words of the control pages, and the texts. */
class Pages {
  readonly wait = [0, 0];
  readonly quiet = [0, 0];
  readonly doomed = [0, 0];
  readonly asleep = [true, true];
  readonly left = [false, false];
  readonly texts = ['', ''];

  boardOf(self: number): Board {
    const { wait, quiet, doomed, texts } = this;
    const odd = (local: number) => (wait[local] & 1) === 1;
    return {
      ranks: [0, 1],
      textBytes: 4000,
      get published() {
        return odd(self);
      },
      get doomed() {
        return odd(self) && doomed[self] === wait[self];
      },
      publish: (text) => {
        texts[self] = text;
        wait[self] += odd(self) ? 2 : 1;
      },
      clear: () => {
        if (odd(self)) wait[self]++;
      },
      sleeps: () => {
        if (odd(self)) quiet[self] = wait[self];
      },
      read: (local) => (odd(local) ? { wait: wait[local], text: texts[local] } : undefined),
      readDoomed: (local) =>
        doomed[local] === 0 ? undefined : { wait: doomed[local], text: texts[local] },
      isQuiet: (local, number) =>
        this.asleep[local] && quiet[local] === number && wait[local] === number,
      hasLeft: (local) => this.left[local],
      doom: (waits) => {
        for (const { local, wait: number } of waits) doomed[local] = number;
      },
    };
  }
}

const waitFor = (rank: number): Omit<Wait, 'rank' | 'since'> => ({
  mode: 'all',
  operations: [{ operation: 'recv', peer: rank, tag: 1, communicator: 'a', from: [rank] }],
  mayGoOn: false,
  stack: `    at line ${rank}`,
});

let pages: Pages;
let progress: () => number;
let ranks: Standstill[];

beforeEach(() => {
  clock.time = 1000;
  pages = new Pages();
  progress = () => 0;
  ranks = [0, 1].map((rank) => new Standstill(rank, pages.boardOf(rank), () => progress(), 100));
});

/** A rank sleeps so long that it publishes, and sleeps on. @returns what it found */
function publish(rank: number) {
  ranks[rank].sleeps();
  clock.time += 100;
  const found = ranks[rank].slept(() => waitFor(1 - rank));
  ranks[rank].sleeps();
  return found;
}

test('ranks that wait for each other: the last one finds it, and both are told of both', () => {
  expect(publish(0)).toBeNull();
  const found = publish(1);
  expect(found).toMatchObject({ code: 'ERR_DEADLOCK', rank: 1 });
  const told = ranks[0].slept(() => waitFor(1));
  for (const error of [found, told]) {
    expect(error?.waits?.map(({ rank }) => rank).sort()).toEqual([0, 1]);
    expect(error?.message).toMatch(/rank 0 waits in recv\(rank 1, tag 1\) of a\n\s+at line 1/);
  }
});

test('nothing is published before its time', () => {
  ranks[0].sleeps();
  clock.time += 99;
  expect(ranks[0].slept(() => waitFor(1))).toBeNull();
  expect(pages.wait[0]).toBe(0);
});

test.each<[string, () => void]>([
  ['has been rung', () => (pages.asleep[0] = false)],
  ['has not looked since its doorbell was armed', () => (pages.quiet[0] = 0)],
  ['has moved', () => ranks[0].moved()],
])('a rank that %s is in no deadlock', (_, happens) => {
  publish(0);
  happens();
  expect(publish(1)).toBeNull();
  expect(pages.doomed).toEqual([0, 0]);
});

test('what the finder had not taken yet is no deadlock', () => {
  publish(0);
  progress = () => 1;
  expect(publish(1)).toBeNull();
  expect(pages.doomed).toEqual([0, 0]);
});

test('a rank that moves between the two looks is in no deadlock', () => {
  publish(0);
  progress = () => {
    ranks[0].moved();
    return 0;
  };
  expect(publish(1)).toBeNull();
  expect(pages.doomed).toEqual([0, 0]);
});

test('a rank that may go on by itself is in no deadlock, nor who waits for it', () => {
  ranks[0].sleeps();
  clock.time += 100;
  ranks[0].slept(() => ({ ...waitFor(1), mayGoOn: true }));
  ranks[0].sleeps();
  expect(publish(1)).toBeNull();
});

test('who waits for a rank that has left is told alone', () => {
  pages.left[1] = true;
  expect(publish(0)?.message).toMatch(/rank 1 has left/);
});

test('a rank that was told hears of it though something comes first, and once only', () => {
  publish(0);
  expect(publish(1)).not.toBeNull();
  expect(ranks[0].moved()).toMatchObject({ code: 'ERR_DEADLOCK', rank: 0 });
  expect(ranks[0].moved()).toBeNull();
});
