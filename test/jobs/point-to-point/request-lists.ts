/** waitAny, waitSome, testAll, testAny, testSome, all, any: several requests at once. */
import { type ErrorCode, Request } from '../../../runtime/index.ts';
import { defineJob, RING } from '../job.ts';
import { assert, filled, Random, rejects, throws, verify } from '../lib.ts';
import { next, previous, rank, SIZES, size, world } from '../ring.ts';

type List = (Request<unknown> | null)[];
const COUNT = 40;

/** Everybody sends COUNT messages to the next rank, in an order that a seed decides. */
function exchange(seed: number): { receives: List; buffers: Uint8Array[]; send: () => void } {
  const random = new Random(seed);
  const buffers = Array.from({ length: COUNT }, (_, i) => new Uint8Array(SIZES[i % SIZES.length]));
  const receives: List = buffers.map((buffer, i) => world.irecv(buffer, previous, i));
  const order = buffers.map((_, i) => i).sort(() => random.below(3) - 1);
  const sends: List = [];
  const send = () => {
    for (const i of order) sends.push(world.isend(filled(SIZES[i % SIZES.length], i), next, i));
  };
  return { receives, buffers, send };
}

function checkAll(buffers: readonly Uint8Array[]): void {
  for (const [i, buffer] of buffers.entries()) verify(buffer, i, `message ${i}`);
}

/** Takes all by a call that gives places, each once; then none is active. */
async function drain(seed: number, take: (list: List) => number[] | Promise<number[]>) {
  const { receives, buffers, send } = exchange(seed);
  send();
  const places = new Set<number>();
  while (places.size < COUNT)
    for (const place of await take(receives)) {
      assert(!places.has(place), `place ${place} came twice`);
      places.add(place);
      assert(receives[place]?.done);
    }
  assert.deepEqual(await take(receives), []);
  checkAll(buffers);
}

const one = (place: number) => (place < 0 ? [] : [place]);

export default defineJob({
  ranks: RING,
  cases: {
    'waitAny gives each once': () => drain(1, (list) => one(Request.waitAny(list))),
    'waitSome gives each once': () => drain(2, (list) => Request.waitSome(list)),
    'testAny gives each once': () => drain(3, (list) => one(Request.testAny(list))),
    'testSome gives each once': () => drain(4, (list) => Request.testSome(list)),
    'any gives each once': () => drain(5, async (list) => one(await Request.any(list))),

    async 'waitAll, testAll and all'() {
      for (const how of ['wait', 'test', 'all']) {
        const { receives, buffers, send } = exchange(6);
        if (how === 'test') assert.equal(Request.testAll(receives), false);
        world.barrierSync();
        send();
        if (how === 'wait') Request.waitAll(receives);
        else if (how === 'all') await Request.all(receives);
        else while (!Request.testAll(receives));
        checkAll(buffers);
        assert.equal(Request.waitAny(receives), -1);
        assert.equal(Request.testAll(receives), true);
      }
    },

    'places that are used again, as a server does'() {
      const each = 50;
      const places = 4;
      const buffers = Array.from({ length: places }, () => new Int32Array(1));
      const post = (place: number) => world.irecv(buffers[place], previous, place);
      const list: List = buffers.map((_, place) => post(place));
      for (let i = 0; i < each * places; i++) world.isend(Int32Array.of(i), next, i % places);
      const seen = new Array(places).fill(0);
      for (let i = 0; i < each * places; i++) {
        const place = Request.waitAny(list);
        assert.equal(buffers[place][0], seen[place]++ * places + place);
        list[place] = seen[place] < each ? post(place) : null;
      }
      assert.equal(Request.waitAny(list), -1);
    },

    'an array that grows, shrinks and is sorted'() {
      const got = Array.from({ length: 6 }, () => new Int32Array(1));
      const requests = got.map((buffer, i) => world.irecv(buffer, previous, i));
      const list: List = requests.slice(0, 2);
      assert.equal(Request.testAny(list), -1);
      world.barrierSync();
      world.isend(Int32Array.of(3), next, 3);
      list.push(requests[2], requests[3]);
      assert.equal(Request.waitAny(list), 3);
      list.reverse();
      world.barrierSync();
      world.isend(Int32Array.of(0), next, 0);
      assert.equal(Request.waitAny(list), 3);
      assert.equal(list[3], requests[0]);
      list.length = 0;
      assert.equal(Request.waitAny(list), -1);
      world.barrierSync();
      list.push(requests[1]);
      for (const tag of [1, 2, 4, 5]) world.isend(Int32Array.of(tag), next, tag);
      assert.equal(Request.waitAny(list), 0);
      Request.waitAll(requests);
    },

    'null, and what was heard of, is not active'() {
      assert.equal(Request.waitAny([]), -1);
      assert.equal(Request.waitAny([null, null]), -1);
      assert.deepEqual(Request.waitSome([null]), []);
      assert.equal(Request.testAny([null]), -1);
      assert.equal(Request.testAll([null]), true);
      Request.waitAll([null]);
      const heard = world.isend(Int32Array.of(1), next, 1);
      heard.wait();
      world.recvSync(new Int32Array(1), previous, 1);
      assert.equal(Request.waitAny([heard, null]), -1);
    },

    'a list with what is no request tells of none of the others'() {
      const got = new Uint8Array(8);
      const sends: List = [1, 2].map((tag) => world.isend(new Uint8Array(8), next, tag));
      throws('ERR_REQUEST', () => Request.waitAll([...sends, 5 as never]));
      assert.equal(Request.waitAny(sends), 0);
      throws('ERR_REQUEST', () => Request.waitAll([...sends, undefined as never]));
      assert.equal(Request.waitAny(sends), 1);
      Request.waitAll([...sends, null, sends[0]]);
      assert.equal(Request.waitAny(sends), -1);
      for (const tag of [1, 2]) world.recvSync(got, previous, tag);
    },

    async 'what fails is thrown once, and hides no other'() {
      const list: List = [
        world.irecv(new Uint8Array(1), previous, 1),
        world.irecv(new Uint8Array(8), previous, 2),
      ];
      world.isend(new Uint8Array(8), next, 1);
      world.isend(new Uint8Array(8), next, 2);
      const idle = world.irecv(new Uint8Array(1), previous, 99);
      while (!list.every((request) => request?.done)) idle.test();
      idle.cancel();
      throws('ERR_TRUNCATE', () => Request.waitAny(list));
      assert.equal(Request.waitAny(list), 1);
      assert.equal(Request.waitAny(list), -1);
      const failing = world.irecv(new Uint8Array(1), previous, 3);
      world.isend(new Uint8Array(8), next, 3);
      await rejects('ERR_TRUNCATE', Request.all([failing]));
      assert.equal(await failing.catch((error) => error.code), 'ERR_TRUNCATE');
      let ended = 0;
      await rejects(
        'ERR_TRUNCATE',
        failing.finally(() => ended++),
      );
      assert.equal(ended, 1);
    },

    'a receive is taken back, unless it has met its message'() {
      const got = Array.from({ length: 3 }, () => new Int32Array(1));
      const [first, second, third] = got.map((buffer) => world.irecv(buffer, previous, 7));
      assert.equal(second.cancel(), true);
      assert.equal(second.cancel(), false);
      world.barrierSync();
      assert(second.done && second.wait().cancelled && !first.status.cancelled);
      world.isend(Int32Array.of(1), next, 7);
      world.isend(Int32Array.of(2), next, 7);
      assert.equal(first.wait().cancelled, false);
      third.wait();
      assert.deepEqual([got[0][0], got[1][0], got[2][0]], [1, 0, 2]);
      assert.equal(first.cancel(), false);
      assert.equal(world.isend(Int32Array.of(3), next, 8).cancel(), false);
      world.recvSync(got[0], previous, 8);
      const large = world.issend(new Uint8Array(300_000), next, 9);
      assert.equal(large.cancel(), false);
      world.recvSync(new Uint8Array(300_000), previous, 9);
      large.wait();
    },

    async 'a thousand receives that are taken back leave nothing'() {
      const requests = Array.from({ length: 1000 }, (_, i) =>
        world.irecv(new Uint8Array(8), i % 2 ? -1 : previous, i % 3 ? -1 : i),
      );
      for (const request of requests) assert(request.cancel());
      world.barrierSync();
      await Request.all(requests);
      world.isend(filled(8, rank), next, 1);
      const got = new Uint8Array(8);
      world.recvSync(got, previous, 1);
      verify(got, previous, 'the next message');
    },

    async 'no requests'() {
      const bad: unknown[] = [5, 'text', {}, undefined, Promise.resolve(), [1]];
      const code: ErrorCode = 'ERR_REQUEST';
      for (const each of bad) {
        const list = [each] as never;
        for (const call of [Request.waitAll, Request.waitAny, Request.waitSome, Request.testAll])
          throws(code, () => call(list));
        throws(code, () => Request.testAny(list));
        throws(code, () => Request.testSome(list));
        await rejects(code, Request.all(list));
        await rejects(code, Request.any(list));
        throws(code, () => Request.waitAny(each as never));
      }
      for (const each of [null, 5, 'text', {}, new Int32Array(1)] as never[]) {
        throws('ERR_ARG', () => Request.waitSome([], each));
        throws('ERR_ARG', () => Request.testSome([], each));
      }
    },

    async 'any of many consumers: each request to one of them'() {
      const { receives, buffers, send } = exchange(9);
      const places: number[] = [];
      const consumer = async () => {
        for (let i = await Request.any(receives); i >= 0; i = await Request.any(receives))
          places.push(i);
      };
      const consumers = [consumer(), consumer(), consumer()];
      send();
      await Promise.all(consumers);
      assert.deepEqual(
        places.sort((a, b) => a - b),
        buffers.map((_, i) => i),
      );
      checkAll(buffers);
      assert(size > 0);
    },
  },
});
