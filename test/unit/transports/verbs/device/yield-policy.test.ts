import { expect, test } from 'vitest';
import {
  YIELD_POLLS,
  YIELD_POLLS_MAX,
  YieldPolicy,
} from '../../../../../transports/packets/yield-policy.ts';

/** Polls that find nothing, until one is followed by a yield. */
function pollsToYield(courtesy: YieldPolicy): number {
  for (let polls = 1; ; polls++) if (courtesy.isDue()) return polls;
}

test('a yield comes each time so many polls have found nothing', () => {
  const courtesy = new YieldPolicy();
  expect([pollsToYield(courtesy), pollsToYield(courtesy)]).toEqual([YIELD_POLLS, YIELD_POLLS]);
});

test('what comes before any yield makes them rare, but not to nothing', () => {
  const courtesy = new YieldPolicy();
  for (let i = 0; i < 12; i++) {
    courtesy.isDue();
    courtesy.found();
  }
  expect(courtesy.every).toBe(YIELD_POLLS_MAX);
  expect(pollsToYield(courtesy)).toBe(YIELD_POLLS_MAX);
});

test('what comes right after a yield makes them frequent again, but no more than at first', () => {
  const courtesy = new YieldPolicy();
  courtesy.found();
  courtesy.found();
  expect(courtesy.every).toBe(4 * YIELD_POLLS);
  for (const polls of [2 * YIELD_POLLS, YIELD_POLLS, YIELD_POLLS]) {
    pollsToYield(courtesy);
    courtesy.found();
    expect(courtesy.every).toBe(polls);
  }
});

test('a find that needed polls after the yield was not its doing', () => {
  const courtesy = new YieldPolicy();
  pollsToYield(courtesy);
  courtesy.isDue();
  courtesy.found();
  expect(courtesy.every).toBe(2 * YIELD_POLLS);
});
