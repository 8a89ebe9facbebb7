/** What completions say of work requests, on links where they come in order and on iWARP. */
import { constants } from 'node:os';
import { describe, expect, test } from 'vitest';
import type { SendArea } from '../../../../../transports/verbs/device/areas.ts';
import type { DeviceCore } from '../../../../../transports/verbs/device/core.ts';
import { QueuePair, type QueueSite } from '../../../../../transports/verbs/device/queue-pair.ts';

const AREA = { index: 0 } as SendArea;
const FLUSHED = 5;

/** A queue pair of a device that takes all and completes what it is told to. */
function queuePair(iwarp: boolean) {
  const core = {
    name: 'fake0',
    id: 0,
    closed: false,
    native: {
      verbsQueue: () => 0,
      verbsModify: () => 0,
      verbsPost: () => 0,
      verbsQueueClose: () => 0,
    },
    request: new Float64Array(16),
    attributes: new Int32Array(32),
    enter() {},
    leave() {},
  } as unknown as DeviceCore;
  const site = { core, iwarp, readsOut: 4, messageBytesMax: 1 << 20, joined() {}, left() {} };
  const queue = new QueuePair(site as unknown as QueueSite, { sendDepth: 16, inlineBytes: 0 });
  const told: string[] = [];
  queue.onError = ({ code }) => told.push(code);
  return {
    queue,
    told,
    send: (signal = false) => expect(queue.send(AREA, 0, 8, false, signal)).toBe(0),
    move: (kind: 'read' | 'write', name: string) =>
      expect(queue.rdma(kind, 0, 0, 100, 0, 0, (result) => told.push(`${name}: ${result}`))).toBe(
        0,
      ),
    complete: (sequence: number, status = 0) =>
      queue.complete(sequence, Int32Array.of(0, 0, status, 0, 0, 0, 0, 0), 0),
  };
}

test('in order: one completion stands for all before it', () => {
  const { queue, told, send, move, complete } = queuePair(false);
  move('read', 'a');
  send();
  move('write', 'b');
  send(true);
  complete(3);
  expect(told).toEqual(['a: 100', 'b: 100']);
  expect(queue.outstanding).toBe(0);
});

describe('iWARP', () => {
  test('a READ is over when its own completion came', () => {
    const { queue, told, send, move, complete } = queuePair(true);
    move('read', 'a');
    send(true);
    complete(1);
    expect(told).toEqual([]);
    expect(queue.outstanding).toBe(2);
    complete(0);
    expect(told).toEqual(['a: 100']);
    expect(queue.outstanding).toBe(0);
  });

  test('a completion stands for all before it that are no READs', () => {
    const { queue, told, send, move, complete } = queuePair(true);
    send();
    send();
    move('read', 'a');
    complete(2);
    expect(told).toEqual(['a: 100']);
    expect(queue.outstanding).toBe(0);
    send();
    move('read', 'b');
    move('write', 'c');
    send(true);
    complete(5);
    complete(6);
    expect(told).toEqual(['a: 100']);
    expect(queue.outstanding).toBe(3);
    complete(4);
    expect(told).toEqual(['a: 100', 'b: 100', 'c: 100']);
    expect(queue.outstanding).toBe(0);
  });

  test('READs and SENDs in all orders that a device may tell them in, round and round', () => {
    const { queue, told, send, move, complete } = queuePair(true);
    const expected: string[] = [];
    for (let round = 0; round < 200; round++) {
      const first = 4 * round;
      move('read', `a${round}`);
      send(true);
      move('read', `b${round}`);
      send(true);
      let came = 2 * round;
      for (const i of [
        [0, 1, 2, 3],
        [1, 3, 0, 2],
        [1, 0, 3, 2],
        [0, 1, 3, 2],
      ][round % 4]) {
        complete(first + i);
        if (i % 2 === 0) came += 1;
        expect(told.length).toBeLessThanOrEqual(came);
      }
      expected.push(`a${round}: 100`, `b${round}: 100`);
      expect(queue.outstanding).toBe(0);
    }
    expect(told).toEqual(expected);
  });

  test('no more READs than the peer has agreed to', () => {
    const { queue, told, move, complete } = queuePair(true);
    const more = () => queue.rdma('read', 0, 0, 100, 0, 0, () => {});
    for (const name of ['a', 'b', 'c', 'd']) move('read', name);
    expect(more()).toBe(-constants.errno.EAGAIN);
    move('write', 'e');
    complete(4);
    expect(more()).toBe(-constants.errno.EAGAIN);
    complete(0);
    expect(told).toEqual(['a: 100']);
    expect(more()).toBe(0);
    expect(more()).toBe(-constants.errno.EAGAIN);
  });

  test('what failed is told as failed, and so is what is under way at the end', () => {
    const { queue, told, send, move, complete } = queuePair(true);
    move('read', 'a');
    move('write', 'b');
    send();
    move('read', 'c');
    complete(1, FLUSHED);
    expect(told).toEqual(['ERR_PEER_FAILED']);
    complete(0, FLUSHED);
    expect(told.map((line) => line.replace(/-\d+/, 'failed'))).toEqual([
      'ERR_PEER_FAILED',
      'a: failed',
      'b: failed',
    ]);
    queue.close();
    expect(told).toHaveLength(4);
    expect(told[3]).toMatch(/^c: -\d+$/);
  });
});
