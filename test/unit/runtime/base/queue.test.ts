/** Queues, and what keeps small bodies, against plain arrays. */
import { describe, expect, test } from 'vitest';
import { Queue } from '../../../../runtime/base/queue.ts';
import {
  type Kept,
  KeptBodies,
  SLOT_BYTES_MAX,
} from '../../../../runtime/messaging/matching/kept-bodies.ts';
import type { Packet } from '../../../../transports/transport.ts';
import { filled } from '../../../tools/bytes.ts';
import { Random } from '../../../tools/random.ts';

describe('a queue', () => {
  test.each([1, 2, 3, 4])('is first in, first out (seed %i)', (seed) => {
    const random = new Random(seed);
    const queue = new Queue<number>();
    const model: number[] = [];
    for (let step = 0; step < 5000; step++) {
      const growing = (step >> 8) % 2 === 0;
      const what = random.below(20);
      if (what < (growing ? 12 : 6)) {
        queue.push(step);
        model.push(step);
      } else if (what < 18) expect(queue.shift()).toBe(model.shift());
      else if (what === 18 && model.length > 0) {
        const [item] = model.splice(random.below(model.length), 1);
        queue.remove(item);
        queue.remove(-1);
      } else if (random.below(50) === 0) expect(queue.takeAll()).toEqual(model.splice(0));
      expect([queue.length, queue.first]).toEqual([model.length, model[0]]);
    }
    expect(queue.takeAll()).toEqual(model);
    expect([queue.length, queue.first, queue.shift()]).toEqual([0, undefined, undefined]);
  });

  /** Moving all others at each step would take minutes. */
  test('of a million goes through', () => {
    const queue = new Queue<number>();
    for (let i = 0; i < 1_000_000; i++) queue.push(i);
    let sum = 0;
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) sum += next;
    expect(sum).toBe(499_999_500_000);
  });
});

function packetOf(body: Uint8Array): Packet {
  const { length } = body;
  const extension = new Int32Array(0);
  return {
    kind: 1,
    context: 0,
    tag: 0,
    length,
    extension,
    copyTo: (to, at) => to.set(body, at),
    unpackTo: (to, offset) => to.unpack(offset, length, body, 0),
  };
}

test.each([1, 2, 3])('bodies are kept apart, and their memory is used again (seed %i)', (seed) => {
  const random = new Random(seed);
  const bodies = new KeptBodies();
  const kept: { body: Uint8Array; where: Kept }[] = [];
  const chunks = new Set<Kept['chunk']>();
  for (let step = 0; step < 20_000; step++) {
    if (random.below(10) < ((step >> 10) % 2 === 0 ? 8 : 2)) {
      const body = filled(1 + random.below(SLOT_BYTES_MAX), step);
      const where: Kept = { length: 0, chunk: null, slot: 0, body };
      bodies.put(packetOf(body), where);
      chunks.add(where.chunk);
      kept.push({ body, where });
    } else if (kept.length > 0) {
      const [{ body, where }] = kept.splice(random.below(kept.length), 1);
      const to = new Uint8Array(body.length);
      bodies.take(where, body.length, { bytes: to, noncontiguous: null });
      if (!to.every((byte, i) => byte === body[i])) throw new Error('a body has other bytes');
      expect(where.chunk).toBe(null);
    }
  }
  // Some 700 bodies at a time: what is free is used before there is a new chunk.
  expect(chunks.size).toBeLessThan(60);
});
