import { expect, test } from 'vitest';
import {
  YIELD_POLLS,
  YIELD_POLLS_MAX,
  YieldPolicy,
} from '../../../../../transports/packets/yield-policy.ts';

/** Polls that find nothing, until one is followed by a yield. */
function pollsToYield(policy: YieldPolicy): number {
  for (let polls = 1; ; polls++) if (policy.isDue()) return polls;
}

test('a yield comes each time so many polls have found nothing', () => {
  const policy = new YieldPolicy();
  expect([pollsToYield(policy), pollsToYield(policy)]).toEqual([YIELD_POLLS, YIELD_POLLS]);
});

test('what comes before any yield makes them rare, but not to nothing', () => {
  const policy = new YieldPolicy();
  for (let i = 0; i < 12; i++) {
    policy.isDue();
    policy.found();
  }
  expect(policy.every).toBe(YIELD_POLLS_MAX);
  expect(pollsToYield(policy)).toBe(YIELD_POLLS_MAX);
});

test('what comes right after a yield makes them frequent again, but no more than at first', () => {
  const policy = new YieldPolicy();
  policy.found();
  policy.found();
  expect(policy.every).toBe(4 * YIELD_POLLS);
  for (const polls of [2 * YIELD_POLLS, YIELD_POLLS, YIELD_POLLS]) {
    pollsToYield(policy);
    policy.found();
    expect(policy.every).toBe(polls);
  }
});

test('a find that needed polls after the yield was not its doing', () => {
  const policy = new YieldPolicy();
  pollsToYield(policy);
  policy.isDue();
  policy.found();
  expect(policy.every).toBe(2 * YIELD_POLLS);
});
