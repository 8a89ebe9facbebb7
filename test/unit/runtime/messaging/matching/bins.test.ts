/** Matching against a naive model: lists, searched from the front. */
import { describe, expect, test } from 'vitest';
import { ANY_SOURCE, ANY_TAG } from '../../../../../runtime/base/constants.ts';
import {
  Envelope,
  type Posted,
  PostedReceives,
  PostingClock,
  UnexpectedMessages,
} from '../../../../../runtime/messaging/matching/bins.ts';
import { Random } from '../../../../tools/random.ts';

class Receive implements Posted {
  next: Posted['next'] = null;
  previous: Posted['previous'] = null;
  bin: Posted['bin'] = null;
  order = 0;
  peer: number;
  tag: number;

  constructor(peer: number, tag: number) {
    this.peer = peer;
    this.tag = tag;
  }

  get item(): Posted {
    return this;
  }
}

const fits = (receive: { peer: number; tag: number }, source: number, tag: number) =>
  (receive.peer === ANY_SOURCE || receive.peer === source) &&
  (receive.tag === ANY_TAG || receive.tag === tag);

/** Takes the first that fits out of a list. */
function takeFirst<Item>(list: Item[], fitting: (item: Item) => boolean): Item | null {
  const index = list.findIndex(fitting);
  return index < 0 ? null : list.splice(index, 1)[0];
}

/** An `expect` for each of thousands of steps would look at whole queues. */
function same(actual: unknown, expected: unknown): void {
  if (actual !== expected) throw new Error('matching differs from the model');
}

/** Ranges of sources and tags: one bin only, a few, and more than a lane keeps idle. */
const RANGES: [number, number][] = [
  [1, 1],
  [3, 4],
  [2, 300],
  [40, 2],
];

describe.each(RANGES)('%i sources, %i tags', (sources, tags) => {
  test.each([1, 2, 3])('posted receives match as a list would (seed %i)', (seed) => {
    const random = new Random(seed);
    const receives = new PostedReceives();
    const model: Receive[] = [];
    const source = () => (random.below(4) === 0 ? ANY_SOURCE : random.below(sources));
    const tag = () => (random.below(4) === 0 ? ANY_TAG : random.below(tags));
    for (let step = 0; step < 4000; step++) {
      // Phases in which the queue grows, and in which it empties.
      const growing = (step >> 8) % 2 === 0;
      const what = random.below(10);
      if (what < (growing ? 6 : 3)) {
        const receive = new Receive(source(), tag());
        receives.post(receive);
        model.push(receive);
      } else if (what < 9) {
        const [from, t] = [random.below(sources), random.below(tags)];
        same(receives.peek(from, t), model.find((r) => fits(r, from, t)) ?? null);
        same(
          receives.match(from, t),
          takeFirst(model, (r) => fits(r, from, t)),
        );
      } else if (model.length > 0) {
        const [receive] = model.splice(random.below(model.length), 1);
        receives.remove(receive);
        // A second removal of the same is none.
        receives.remove(receive);
      }
      same(receives.count, model.length);
    }
    expect(new Set(receives.all())).toEqual(new Set(model));
    for (let from = 0; from < sources; from++) {
      const mine = model.filter((r) => r.peer === from || r.peer === ANY_SOURCE);
      expect(new Set(receives.from(from))).toEqual(new Set(mine));
    }
  });

  test.each([1, 2, 3])('unexpected messages are taken as from a list (seed %i)', (seed) => {
    const random = new Random(seed);
    const messages = new UnexpectedMessages<Envelope>();
    const model: Envelope[] = [];
    for (let step = 0; step < 4000; step++) {
      const growing = (step >> 8) % 2 === 0;
      if (random.below(10) < (growing ? 6 : 3)) {
        const message = new Envelope(random.below(sources), random.below(tags));
        messages.add(message);
        model.push(message);
      } else {
        const peer = random.below(3) === 0 ? ANY_SOURCE : random.below(sources);
        const tag = random.below(3) === 0 ? ANY_TAG : random.below(tags);
        const fitting = (m: Envelope) => fits({ peer, tag }, m.source, m.tag);
        same(messages.peek(peer, tag), model.find(fitting) ?? null);
        same(messages.take(peer, tag), takeFirst(model, fitting));
      }
      same(messages.count, model.length);
    }
  });
});

test('receives of one source and tag are first in, first out', () => {
  const receives = new PostedReceives();
  const posted = Array.from({ length: 100 }, () => new Receive(2, 7));
  for (const receive of posted) receives.post(receive);
  expect(receives.match(2, 8)).toBe(null);
  expect(receives.match(1, 7)).toBe(null);
  expect(posted.map(() => receives.match(2, 7))).toEqual(posted);
  expect(receives.match(2, 7)).toBe(null);
});

test('a receive may be posted again after its match', () => {
  const receives = new PostedReceives();
  const receive = new Receive(0, 1);
  for (let i = 0; i < 200; i++) {
    receive.tag = i;
    receives.post(receive);
    expect(receives.match(0, i)).toBe(receive);
    expect(receives.count).toBe(0);
  }
});

test('the order of posting outlives any number of posts', () => {
  for (const between of [1, 2 ** 31, 2 ** 32 + 5]) {
    const clock = new PostingClock();
    clock.last = 0x7fff_fff0;
    const receives = new PostedReceives(clock);
    const [first, second] = [new Receive(ANY_SOURCE, 5), new Receive(1, 5)];
    receives.post(first);
    // As if so many had been posted meanwhile: one that waits for long stays the first.
    clock.last += between;
    receives.post(second);
    expect(receives.match(1, 5)).toBe(first);
    expect(receives.match(1, 5)).toBe(second);
  }
});

/** How many steps of the model would be needed is what these would cost if matching were a search. */
test('a hundred thousand receives, matched from the back', () => {
  const receives = new PostedReceives();
  const COUNT = 100_000;
  const posted = Array.from({ length: COUNT }, (_, i) => new Receive(i % 3 ? 0 : ANY_SOURCE, i));
  for (const receive of posted) receives.post(receive);
  for (let i = COUNT - 1; i >= 0; i--)
    if (receives.match(0, i) !== posted[i]) throw new Error(`receive ${i} was not matched`);
  expect(receives.count).toBe(0);
});

test('a hundred thousand unexpected messages, taken from the back', () => {
  const messages = new UnexpectedMessages<Envelope>();
  const COUNT = 100_000;
  const added = Array.from({ length: COUNT }, (_, i) => new Envelope(0, i));
  for (const message of added) messages.add(message);
  for (let i = COUNT - 1; i >= 0; i--) {
    const source = i % 3 ? 0 : ANY_SOURCE;
    if (messages.take(source, i) !== added[i]) throw new Error(`message ${i} was not taken`);
  }
  expect(messages.count).toBe(0);
});
