/** Messages that wait for credit at their sender, and receives that ask for one of them. */
import { afterEach, describe, expect, test } from 'vitest';
import { NO_BYTES } from '../../../../../runtime/base/bytes.ts';
import { ANY_SOURCE, ANY_TAG } from '../../../../../runtime/base/constants.ts';
import type { MpiError } from '../../../../../runtime/base/error.ts';
import type { Request } from '../../../../../runtime/index.ts';
import { LIBRARY, ONE_MESSAGE } from '../../../../../runtime/messaging/flow/credit.ts';
import { SOUGHT_MAX } from '../../../../../runtime/messaging/flow/send-flow.ts';
import type { Communicator } from '../../../../../runtime/mpi/communicator.ts';
import { exchange } from '../../../../../runtime/mpi/point-to-point/sendrecv.ts';
import { closeScenes, credit, finish, type Scene, scene, settle, step } from './scene.ts';

afterEach(closeScenes);

const byte = (value = 0) => Uint8Array.of(value);

/** More than the credit of a scene: the last ones wait. */
function flood({ comms }: Scene, from: number, to: number, tag: number, count = 10): Request[] {
  return Array.from({ length: count }, (_, i) => comms[from][0].isend(byte(i), to, tag));
}

/** Receives a flood in order. */
function receiveAll(made: Scene, at: number, from: number, tag: number, count = 10): void {
  for (let i = 0; i < count; i++) {
    const bytes = new Uint8Array(4);
    finish(made, [made.comms[at][0].irecv(bytes, from, tag)]);
    expect(bytes[0]).toBe(i);
  }
}

describe('a receive gets a message behind others that nobody receives', () => {
  test.each([
    ['small', 1],
    ['in packets', 80],
    ['large', 2000],
  ])('%s', (_what, length) => {
    const made = scene(1);
    const waiting = flood(made, 0, 1, 1);
    const last = made.comms[0][0].isend(new Uint8Array(length).fill(9), 1, 2);
    settle(made);
    expect(waiting.some(({ done }) => !done)).toBe(true);
    const bytes = new Uint8Array(length);
    finish(made, [last, made.comms[1][0].irecv(bytes, 0, 2)]);
    expect(bytes).toEqual(new Uint8Array(length).fill(9));
    receiveAll(made, 1, 0, 1);
    finish(made, waiting);
  });

  test('of any tag, in another communicator', () => {
    const made = scene(1);
    const waiting = flood(made, 0, 1, 1);
    const sent = [3, 4].map((tag) => made.comms[0][1].isend(byte(tag), 1, tag));
    settle(made);
    const bytes = byte();
    finish(made, [made.comms[1][1].irecv(bytes, ANY_SOURCE, ANY_TAG)]);
    expect(bytes).toEqual(byte(3));
    finish(made, [made.comms[1][1].irecv(bytes, 0, ANY_TAG)]);
    expect(bytes).toEqual(byte(4));
    receiveAll(made, 1, 0, 1);
    finish(made, [...waiting, ...sent]);
  });

  test('sent to the rank itself', () => {
    const made = scene(1);
    const waiting = flood(made, 0, 0, 1);
    const last = made.comms[0][0].isend(byte(9), 0, 2);
    finish(made, [made.comms[0][0].irecv(byte(), 0, 2), last]);
    receiveAll(made, 0, 0, 1);
    finish(made, waiting);
  });

  test('that is sent after the receive was posted', () => {
    const made = scene(1);
    const tags = Array.from({ length: 5 }, (_, i) => 10 + i);
    const receives = tags.map((tag) => made.comms[1][0].irecv(byte(), 0, tag));
    const waiting = flood(made, 0, 1, 1);
    settle(made);
    for (const tag of [12, 14, 10, 13, 11]) {
      expect(receives[tag - 10].done).toBe(false);
      finish(made, [made.comms[0][0].isend(byte(), 1, tag), receives[tag - 10]]);
    }
    receiveAll(made, 1, 0, 1);
    finish(made, waiting);
  });

  test('not before an older one, for which an older receive was sought', () => {
    const made = scene(1);
    const waiting = flood(made, 0, 1, 1);
    const [from, to] = [made.comms[0][1], made.comms[1][1]];
    const [any, second] = [byte(), byte()];
    const receives = [to.irecv(any, 0, ANY_TAG)];
    settle(made);
    // On its way when both messages join those that wait.
    receives.push(to.irecv(second, 0, 2));
    for (let i = 0; i < 20; i++) made.simulation.engines[1].progress();
    const sends = [from.isend(byte(7), 1, 1), from.isend(byte(8), 1, 2)];
    finish(made, [...receives, ...sends]);
    expect([any[0], second[0]]).toEqual([7, 8]);
    receiveAll(made, 1, 0, 1);
    finish(made, waiting);
  });

  test('that is sent after more patterns were sought than the sender remembers', () => {
    const made = scene(1, { room: 100, burst: 100 });
    const waiting = flood(made, 0, 1, 1);
    const count = SOUGHT_MAX + 50;
    const receives = Array.from({ length: count }, (_, i) =>
      made.comms[1][0].irecv(byte(), 0, 10 + i),
    );
    for (let i = 0; i < 20 * count; i++) made.simulation.step();
    const sends = [count - 1, 0, SOUGHT_MAX].map((i) => {
      const send = made.comms[0][0].isend(byte(), 1, 10 + i);
      finish(made, [send, receives[i]]);
      return send;
    });
    expect(sends.length).toBe(3);
    receiveAll(made, 1, 0, 1);
    finish(made, waiting);
  });

  test('from whom it may come, where several wait', () => {
    const made = scene(1, { ranks: 4 });
    const waiting = [1, 2, 3].flatMap((from) => flood(made, from, 0, 1));
    const last = [1, 2, 3].map((from) => made.comms[from][0].isend(byte(from), 0, 2));
    settle(made);
    const received: number[] = [];
    for (let i = 0; i < 3; i++) {
      const bytes = byte();
      const receive = made.comms[0][0].irecv(bytes, ANY_SOURCE, 2);
      finish(made, [receive]);
      expect(receive.status.source).toBe(bytes[0]);
      received.push(bytes[0]);
    }
    expect(received.sort()).toEqual([1, 2, 3]);
    for (const from of [1, 2, 3]) receiveAll(made, 0, from, 1);
    finish(made, [...waiting, ...last]);
  });
});

/** A message of the library's to another rank, and one from it. */
const signal = ({ endpoint }: Communicator, other: number, tag: number) =>
  exchange(endpoint, NO_BYTES, other, NO_BYTES, other, tag);

test("the library's own messages do not wait behind the program's", () => {
  const made = scene(1);
  const [a, b] = [made.comms[0][0], made.comms[1][0]];
  const waiting = flood(made, 0, 1, 1, 50);
  settle(made);
  for (let round = 0; round < 20; round++)
    finish(made, [...signal(a, 1, round), ...signal(b, 0, round)]);
  // What was received is credited again.
  settle(made);
  expect(made.simulation.engines[0].peers[1]?.outgoing[LIBRARY].hasCredit(ONE_MESSAGE)).toBe(true);
  // Nor does a message that nobody receives stand before them in their own flow.
  const signals = Array.from({ length: 9 }, (_, i) => signal(a, 1, 100 + i));
  settle(made);
  for (const i of [8, 3, 0]) finish(made, [...signals[i], ...signal(b, 0, 100 + i)]);
  expect(waiting.some(({ done }) => !done)).toBe(true);
});

test('where no message waits any more the search ends', () => {
  const made = scene(1);
  const { receiving } = made.simulation.engines[1];
  const waiting = flood(made, 0, 1, 1);
  settle(made);
  expect(receiving.searches).toBe(true);
  receiveAll(made, 1, 0, 1);
  finish(made, waiting);
  const [later, sent] = [byte(), byte(5)];
  const receive = made.comms[1][0].irecv(later, 0, 1);
  settle(made);
  expect(receiving.searches).toBe(false);
  finish(made, [receive, made.comms[0][0].isend(sent, 1, 1)]);
  expect(later).toEqual(sent);
});

test('what is kept stays within the credit, which comes round', () => {
  const made = scene(1, { eagerBytes: 2000, maxBody: 2000, credit: [credit(7, 31), credit(1, 0)] });
  const kept = () => made.simulation.engines[1].peers[0]?.incoming[0].kept ?? 0;
  const sends: Request[] = [];
  const largest = [0, 0];
  for (let i = 0; i < 2500; i++) {
    sends.push(made.comms[0][0].isend(new Uint8Array(1000).fill(i), 1, 0));
    if (i % 10 !== 9) continue;
    settle(made);
    largest[0] = Math.max(largest[0], kept() & (2 ** 18 - 1));
    largest[1] = Math.max(largest[1], kept() >>> 18);
    for (let j = i - 9; j <= i; j++) {
      const bytes = new Uint8Array(1000);
      finish(made, [made.comms[1][0].irecv(bytes, 0, 0)]);
      expect(bytes[999]).toBe(j & 0xff);
    }
  }
  finish(made, sends);
  expect(kept()).toBe(0);
  expect(largest).toEqual([7, 27]);
});

describe('a message that was asked for', () => {
  /** A receive that was promised a message, and that message, before it has left: nothing else is in its context. */
  function promised(): { made: Scene; bytes: Uint8Array; sent: Request; received: Request } {
    const made = scene(1);
    flood(made, 0, 1, 1);
    const bytes = new Uint8Array(4);
    const sent = made.comms[0][1].isend(bytes, 1, 2);
    settle(made);
    const received = made.comms[1][1].irecv(new Uint8Array(4), 0, 2);
    step(made, () => made.simulation.engines[1].peers[0]?.promises === 1);
    expect(made.simulation.engines[1].peers[0]?.promises).toBe(1);
    return { made, bytes, sent, received };
  }

  test('is not taken by a later receive', () => {
    const { made, bytes, sent, received } = promised();
    bytes.fill(7);
    for (let i = 0; i < 20; i++) made.simulation.engines[0].progress();
    const [from, to] = [made.comms[0][1], made.comms[1][1]];
    const later = [to.irecv(new Uint8Array(4), 0, 2), from.isend(byte(8), 1, 2)];
    finish(made, [sent, received, ...later]);
    expect([received, later[0]].map(({ status }) => status.byteLength)).toEqual([4, 1]);
  });

  test('and whose buffer is gone: both ends fail, and the flow goes on', () => {
    const { made, bytes, sent, received } = promised();
    structuredClone(bytes, { transfer: [bytes.buffer as ArrayBuffer] });
    step(made, () => sent.done && received.done);
    const codes = [sent, received].map(({ error }) => error?.code);
    expect(codes).toEqual(['ERR_BUFFER', 'ERR_BUFFER']);
    receiveAll(made, 1, 0, 1);
  });

  test('of a peer that is lost: the receive fails', () => {
    const { made, sent, received } = promised();
    made.simulation.lose(0, 1);
    const codes = [sent, received].map(({ error }) => (error as MpiError | null)?.code);
    expect(codes).toEqual(['ERR_PEER_FAILED', 'ERR_PEER_FAILED']);
  });
});
