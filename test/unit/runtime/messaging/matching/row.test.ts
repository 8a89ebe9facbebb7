/**
 * Small messages that came before their receives stand in a row until something asks for one that is not the first:
 * whatever asks, a receive gets the message that a list would give it.
 */
import { afterEach, expect, test } from 'vitest';
import { ANY_SOURCE, ANY_TAG } from '../../../../../runtime/base/constants.ts';
import type { Status } from '../../../../../runtime/index.ts';
import { CREDIT_LIMITS } from '../../../../../runtime/messaging/flow/credit.ts';
import { ROW_BYTES } from '../../../../../runtime/messaging/matching/row.ts';
import type { Communicator } from '../../../../../runtime/mpi/communicator.ts';
import { Random } from '../../../../tools/random.ts';
import { closeScenes, scene, settle } from '../flow/scene.ts';

afterEach(closeScenes);

interface Sent {
  readonly source: number;
  readonly tag: number;
  readonly bytes: Uint8Array;
}

/** What a program can do to have the message of a pattern. */
const WAYS: ((comm: Communicator, room: Uint8Array, source: number, tag: number) => Status)[] = [
  (comm, room, source, tag) => comm.recvSync(room, source, tag),
  (comm, room, source, tag) => comm.irecv(room, source, tag).wait(),
  (comm, room, source, tag) =>
    comm.recvSync(
      { data: room, shape: [room.length], stride: [-1], offset: room.length - 1 },
      source,
      tag,
    ),
  (comm, room, source, tag) => {
    expect(comm.iprobe(source, tag)).not.toBe(null);
    return comm.recvSync(room, source, tag);
  },
  (comm, room, source, tag) => comm.improbe(source, tag)?.recvSync(room) as Status,
];
const REVERSED = 2;

function take(comm: Communicator, list: Sent[], random: Random): void {
  // Mostly the one that came first.
  const wanted = random.below(4) > 0 ? list[0] : random.pick(list);
  const source = random.below(4) === 0 ? ANY_SOURCE : wanted.source;
  const tag = random.below(4) === 0 ? ANY_TAG : wanted.tag;
  const at = list.findIndex(
    (sent) =>
      (source === ANY_SOURCE || sent.source === source) && (tag === ANY_TAG || sent.tag === tag),
  );
  const [first] = list.splice(at, 1);
  const way = random.below(3) > 0 ? 0 : random.below(WAYS.length);
  const room = new Uint8Array(first.bytes.length + random.below(2)).fill(255);
  const status = WAYS[way](comm, room, source, tag);
  const { length } = first.bytes;
  expect(status).toMatchObject({ source: first.source, tag: first.tag, byteLength: length });
  const got = way === REVERSED ? room.reverse() : room;
  expect(got.subarray(0, length)).toEqual(first.bytes);
  expect(got.subarray(length).every((byte) => byte === 255)).toBe(true);
}

test.each([1, 2, 3, 4, 5, 6])('kept messages are received as from a list (seed %i)', (seed) => {
  const random = new Random(seed);
  const made = scene(seed, { ranks: 3, credit: CREDIT_LIMITS, maxBody: 400, eagerBytes: 400 });
  const lists: Sent[][] = [[], []];
  const most = random.pick([1, 9, 130, 300]);
  for (let round = 0; round < 60; round++) {
    const comm = random.below(2);
    for (let i = random.below(9); i > 0; i--) {
      const [source, tag] = [random.below(2), random.below(3)];
      const bytes = new Uint8Array(random.below(most + 1)).fill(random.below(255));
      made.comms[source][comm].isend(bytes, 2, tag);
      lists[comm].push({ source, tag, bytes });
      settle(made);
    }
    const list = lists[random.below(2)];
    const own = made.comms[2][lists.indexOf(list)];
    for (let i = random.below(list.length + 1); i > 0; i--) take(own, list, random);
  }
  for (const [comm, list] of lists.entries()) {
    while (list.length > 0) take(made.comms[2][comm], list, random);
    expect(made.comms[2][comm].iprobe()).toBe(null);
  }
});

test('a row that is full', () => {
  const made = scene(1, { ranks: 2, credit: CREDIT_LIMITS, maxBody: 400, eagerBytes: 400 });
  const [[w0], [w1]] = made.comms;
  const length = 120;
  const count = Math.ceil(ROW_BYTES / length) + 20;
  for (let i = 0; i < count; i++) {
    w0.isend(new Uint8Array(length).fill(i), 1, i % 5);
    if (i % 20 === 19) settle(made);
  }
  settle(made);
  const got = new Uint8Array(length);
  for (let i = 0; i < count; i++) {
    expect(w1.iprobe(0, ANY_TAG)?.tag).toBe(i % 5);
    w1.recvSync(got, 0, i % 5);
    expect(got).toEqual(new Uint8Array(length).fill(i));
  }
  expect(w1.iprobe()).toBe(null);
});

test('a message that is too long for its receive, at the head of a row', () => {
  const made = scene(1, { ranks: 2, credit: CREDIT_LIMITS });
  const [[w0], [w1]] = made.comms;
  for (const tag of [1, 2]) w0.isend(new Uint8Array(8).fill(tag), 1, tag);
  settle(made);
  expect(() => w1.recvSync(new Uint8Array(4), 0, 1)).toThrow(/larger than the receive buffer/);
  const got = new Uint8Array(8);
  expect(w1.recvSync(got, 0, 2)).toMatchObject({ byteLength: 8 });
  expect(got).toEqual(new Uint8Array(8).fill(2));
});
