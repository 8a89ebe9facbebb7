/**
 * The machine of runtime/messaging/event-loop.ts, with libuv, the doorbell, the peer and the program simulated:
 * all orders in which a few things can happen, and many random ones.
 */

import { beforeEach, expect, test, vi } from 'vitest';
import {
  AWAIT_BURST,
  AWAIT_BURST_BYTES,
  EventLoopProgress,
} from '../../../../runtime/messaging/event-loop.ts';
import { Random } from '../../../tools/random.ts';
import { loop } from './event-loop-clock.ts';
import { type Choose, NONE, type Plan, World } from './event-loop-world.ts';

vi.mock(import('../../../../runtime/base/clock.ts'), async (original) => {
  const { loop } = await import('./event-loop-clock.ts');
  return {
    ...(await original()),
    now: () => loop.time,
    setImmediate: ((turn: () => void) => loop.immediates.push(turn)) as never,
  };
});

beforeEach(() => {
  loop.immediates.length = 0;
});

/** Runs one course of events of so many callbacks, which `choose` decides, to its end. */
function live(plan: Plan, callbacks: number, choose: Choose): void {
  loop.immediates.length = 0;
  const world = new World(plan, choose);
  for (let i = 0; i < callbacks; i++) {
    const possible = world.callbacks;
    if (possible.length === 0) {
      world.peerMayAct();
      continue;
    }
    world.run(possible[choose(possible.length)]);
  }
  const sent = plan.messages - world.left.messages + plan.selves - world.left.selves;
  // Some end in the midst of it.
  if (choose(2) === 0) {
    world.rest();
    world.checkEnd(sent);
  }
  world.loop.close();
  world.closed = true;
  for (const turn of loop.immediates.splice(0)) turn();
  expect(world.referenced).toBe(false);
}

/** Every course of events: each run takes the choices of the one before, with the last that can be raised. */
function liveAll(plan: Plan, callbacks: number): number {
  let fixed: number[] = [];
  for (let runs = 1; ; runs++) {
    const made: { choice: number; options: number }[] = [];
    live(plan, callbacks, (options) => {
      const choice = fixed[made.length] ?? 0;
      made.push({ choice, options });
      return choice;
    });
    while (made.length > 0 && made[made.length - 1].choice + 1 === made[made.length - 1].options)
      made.pop();
    const last = made.pop();
    if (last === undefined) return runs;
    fixed = [...made.map(({ choice }) => choice), last.choice + 1];
  }
}

test.each<[string, Partial<Plan>, number]>([
  ['one message for one operation', { begins: 1, messages: 1 }, 9],
  ['two operations, two messages', { begins: 2, messages: 2 }, 7],
  ['a message that is for nobody', { begins: 1, messages: 1, noise: 1 }, 7],
  ['a peer that leaves', { begins: 2, messages: 1, leaves: 1 }, 6],
  ['a blocking call in between', { begins: 1, messages: 1, blocks: 1 }, 7],
  ['a look in between', { begins: 1, messages: 1, looks: 1 }, 7],
  ['an operation with itself', { begins: 1, messages: 1, selves: 1 }, 6],
  ['progress that throws', { begins: 1, messages: 1, throws: 1 }, 8],
])('every order of %s', (_what, plan, callbacks) => {
  expect(liveAll({ ...NONE, spinMs: 0, ...plan }, callbacks)).toBeGreaterThan(100);
});

test.each([0, 0.5])('random orders of many things, spinning for %d ms', (spinMs) => {
  for (let seed = 0; seed < 3000; seed++) {
    const random = new Random(seed);
    const plan = {
      ...NONE,
      begins: 5,
      messages: 4,
      noise: 3,
      blocks: 2,
      looks: 3,
      selves: 2,
      spinMs,
    };
    const rare = { leaves: seed % 2, throws: seed % 3, idle: spinMs > 0 ? 300 : 3 };
    live({ ...plan, ...rare }, 60, (options) => random.below(options));
  }
});

test.each([
  ['operations', 8, AWAIT_BURST],
  ['bytes', AWAIT_BURST_BYTES / 16, 17],
  ['bytes of one', AWAIT_BURST_BYTES + 1, 1],
])(
  'what is awaited in a row leaves the event loop its turn after so many %s',
  (_, length, count) => {
    let looks = 0;
    const engine = {
      progress: () => {
        looks++;
        return 0;
      },
      arm() {},
      failures: { checkPeers: () => 0 },
      standstill: null,
    };
    const transport = { watch: () => ({ ref() {}, unref() {}, close() {} }), disarm() {} };
    const progress = new EventLoopProgress(engine, transport, 1);
    for (let round = 0; round < 3; round++)
      for (let i = 1; i <= count; i++) {
        looks = 0;
        progress.poll({ done: false, length });
        expect(looks > 0).toBe(i < count);
      }
  },
);
