/** Objects of every kind and size, by both codecs, in both habits. */
import { type Codec, msgpackCodec, PROC_NULL, v8Codec } from '../../../runtime/index.ts';
import { defineJob, RING, SINGLE_COPY } from '../job.ts';
import { assert, filled, rejects, throws } from '../lib.ts';
import { next, previous, rank, world } from '../ring.ts';

const CODECS: Codec[] = [msgpackCodec, v8Codec];

class Point {
  x: number;
  #secret = 1;
  constructor(x: number) {
    this.x = x;
  }
  get secret(): number {
    return this.#secret;
  }
}

const plain = (from: number) => ({
  id: from,
  name: `rank ${from} – ünïcødé 💡`,
  none: null,
  missing: undefined,
  yes: true,
  numbers: [0, -1, 1.5, 2 ** 31, 2 ** 53, -(2 ** 40), Number.NaN, Number.POSITIVE_INFINITY],
  big: [5n, -(2n ** 63n), 2n ** 64n - 1n, 2n ** 200n, -(2n ** 130n)],
  when: new Date(1_700_000_000_123),
  map: new Map<unknown, unknown>([
    ['a', 1],
    [2, { deep: new Set([1, 'two']) }],
  ]),
  set: new Set([1, 2, from]),
  pattern: /x+/giu,
  nested: { list: [[[]], [{ a: { b: { c: from } } }]] },
});

const arrays = (length: number, from: number) => {
  const bytes = filled(length * 8, from);
  return {
    bytes,
    buffer: Buffer.from(bytes),
    memory: bytes.slice().buffer,
    view: new DataView(bytes.slice().buffer, 0, length),
    part: bytes.subarray(1),
    all: [
      new Int8Array(bytes.buffer),
      new Uint8ClampedArray(bytes.buffer),
      new Int16Array(bytes.buffer),
      new Uint16Array(bytes.buffer),
      new Int32Array(bytes.buffer),
      new Uint32Array(bytes.buffer),
      new Float32Array(bytes.buffer).map((_, i) => i + from),
      new Float64Array(bytes.buffer).map((_, i) => i + from),
      new BigInt64Array(bytes.buffer),
      new BigUint64Array(bytes.buffer),
    ],
  };
};

type Make<T> = (from: number) => T;

const objectsOf = <T>(codec: Codec<T> | undefined) =>
  codec === undefined ? world.objects<T>() : world.objects(codec);

const checkAgainst =
  <T>(expected: T) =>
  (found: { value: T; source: number; tag: number }) => {
    assert.deepEqual(found.value, expected);
    assert.deepEqual([found.source, found.tag], [previous, 5]);
  };

/** Sends around the ring, and checks what comes. */
async function once<T>(codec: Codec<T> | undefined, make: Make<T>): Promise<void> {
  const check = checkAgainst(make(previous));
  check(await objectsOf(codec).sendrecv(make(rank), next, 5, previous, 5));
}

/** The same in every habit. */
async function around<T>(codec: Codec<T> | undefined, make: Make<T>): Promise<void> {
  const objects = objectsOf(codec);
  const check = checkAgainst(make(previous));
  check(objects.sendrecvSync(make(rank), next, 5, previous, 5));
  check(await objects.sendrecv(make(rank), next, 5, previous, 5));
  const receive = objects.recv(previous, 5);
  await objects.send(make(rank), next, 5);
  check(await receive);
  const synchronous = objects.recv();
  await objects.ssend(make(rank), next, 5);
  check(await synchronous);
}

export default defineJob({
  ranks: RING,
  settings: SINGLE_COPY,
  cases: {
    async 'plain values'() {
      for (const codec of [undefined, ...CODECS]) {
        await around(codec, plain);
        for (const value of [null, 0, 'text', '', true, [], {}, undefined, 7n, [undefined, null]])
          await around<unknown>(codec, () => value);
      }
    },

    async 'typed arrays of every kind, short and long'() {
      for (const codec of CODECS) {
        for (const length of [0, 1, 100, 127, 128, 129, 900, 1023, 1024, 5000])
          await around<unknown>(codec, (from) => arrays(length, from));
        await once<unknown>(codec, (from) => arrays(50_000, from));
      }
    },

    async 'what came belongs to the receiver alone'() {
      for (const length of [10, 300, 1000, 100_000]) {
        const array = new Float64Array(length).fill(rank);
        const { value } = await world
          .objects<{ a: Float64Array; b: Float64Array }>()
          .sendrecv({ a: array, b: array.subarray(1) }, next, 0, previous, 0);
        assert.equal(value.a.buffer.byteLength, 8 * length);
        value.a.fill(99);
        assert.equal(value.b[0], previous);
        assert.equal(array[0], rank);
      }
    },

    async 'objects of every length'() {
      for (const codec of CODECS)
        for (const length of [1, 50, 1000, 8120, 8150, 8160, 8192, 9000])
          await around<unknown>(codec, (from) => ({ text: 'x'.repeat(length), from }));
      for (const length of [70_000, 2_000_000]) {
        const large: Make<unknown> = (from) => ({ text: 'x'.repeat(length), from });
        await around(undefined, large);
        await once(v8Codec, large);
      }
      await once<unknown>(undefined, (from) => {
        const many: Record<string, number> = {};
        for (let i = 0; i < 20_000; i++) many[`field ${i}`] = i * from;
        return many;
      });
      await once<unknown>(undefined, (from) =>
        Array.from({ length: 3000 }, (_, i) => ({ id: i, from, more: new Uint8Array(1030) })),
      );
    },

    async 'errors keep their names, messages and causes'() {
      class Own extends RangeError {
        override name = 'OwnError';
      }
      for (const codec of CODECS) {
        const objects = world.objects<Error>(codec as Codec<Error>);
        const sent = new Own('far', { cause: new TypeError('near', { cause: 'root' }) });
        const { value } = await objects.sendrecv(sent, next, 0, previous, 0);
        assert(value instanceof Error);
        assert.equal(value.message, 'far');
        if (codec === msgpackCodec) assert.equal(value.name, 'OwnError');
        assert(value.cause instanceof TypeError);
        assert.deepEqual([value.cause.message, value.cause.cause], ['near', 'root']);
      }
    },

    async 'instances of classes become plain objects'() {
      const { value } = await world
        .objects<unknown>()
        .sendrecv({ at: new Point(rank), list: [new Point(1)] }, next, 0, previous, 0);
      assert.deepEqual(value, { at: { x: previous }, list: [{ x: 1 }] });
    },

    async 'what is met twice, and what holds itself'() {
      const inner = { a: 1 };
      await around<unknown>(undefined, () => ({ one: inner, other: inner, list: [inner, inner] }));
      const loop: { self?: unknown; list: unknown[] } = { list: [1] };
      loop.self = loop;
      const objects = world.objects<unknown>();
      const error = throws('ERR_ARG', () => objects.sendSync(loop, next));
      assert.match(error.message, /holds itself.*v8Codec/);
      await rejects('ERR_ARG', objects.send([loop], next));
      const { value } = await world
        .objects<typeof loop>(v8Codec as Codec<typeof loop>)
        .sendrecv(loop, next, 0, previous, 0);
      assert.equal(value.self, value);
      // Nothing was sent of what could not be.
      await around(undefined, plain);
    },

    async 'what is no data is refused before anything is sent'() {
      for (const codec of CODECS)
        for (const bad of [() => 1, { f() {} }, Symbol('s'), [Symbol.iterator]]) {
          const objects = world.objects<unknown>(codec);
          throws('ERR_ARG', () => objects.sendSync(bad, next));
          await rejects('ERR_ARG', objects.send(bad, next));
        }
      await around(undefined, plain);
    },

    async 'bad arguments'() {
      const objects = world.objects<number>();
      throws('ERR_RANK', () => objects.sendSync(1, 99));
      throws('ERR_TAG', () => objects.sendSync(1, 0, -1));
      throws('ERR_RANK', () => objects.recvSync(99));
      throws('ERR_TAG', () => objects.recvSync(0, -7));
      throws('ERR_RANK', () => objects.sendrecvSync(1, next, 0, 99, 0));
      await rejects('ERR_RANK', objects.send(1, 99));
      await rejects('ERR_RANK', objects.recv(99));
      await rejects('ERR_TAG', objects.sendrecv(1, next, 0, previous, -7));
      throws('ERR_ARG', () => world.objects({} as Codec<number>));
      throws('ERR_ARG', () => world.objects(null as unknown as Codec<number>));
    },

    async 'of nobody'() {
      const objects = world.objects<string>();
      objects.sendSync('a', PROC_NULL);
      await objects.send('a', PROC_NULL);
      const expected = { value: undefined, source: PROC_NULL, tag: -1 };
      assert.deepEqual(objects.recvSync(PROC_NULL), expected);
      assert.deepEqual(await objects.recv(PROC_NULL), expected);
    },

    'buffers that are no objects are said to be none'() {
      const garbage = [
        new Uint8Array(1),
        filled(32, 3),
        filled(100, 4),
        filled(8192, 5),
        filled(9000, 6),
        filled(200_000, 7),
      ];
      for (const bytes of garbage) {
        const send = world.isend(bytes, next, 8);
        throws('ERR_PROTOCOL', () => world.objects().recvSync(previous, 8));
        send.wait();
      }
    },

    async 'a synchronous send waits for its receive'() {
      const objects = world.objects<number>();
      let arrived = false;
      const sent = objects.ssend(7, next, 9).then(() => {
        arrived = true;
      });
      for (let i = 0; i < 3; i++) await world.barrier();
      assert.equal(arrived, false);
      await world.barrier();
      assert.equal((await objects.recv(previous, 9)).value, 7);
      await sent;
    },

    async 'a loop over what comes'() {
      const objects = world.objects<{ i: number; data: Float64Array }>();
      const COUNT = 40;
      const sends = Array.from({ length: COUNT }, (_, i) =>
        objects.send({ i, data: new Float64Array(i * 40).fill(rank) }, next, 10),
      );
      const seen: number[] = [];
      const reader = async () => {
        for await (const { value, source } of objects.messages({ tag: 10, source: previous })) {
          assert.equal(source, previous);
          assert(value.data.every((one) => one === previous));
          seen.push(value.i);
          if (value.i >= COUNT - 2) break;
        }
      };
      await Promise.all([reader(), reader(), ...sends]);
      assert.deepEqual(
        seen.sort((a, b) => a - b),
        Array.from({ length: COUNT }, (_, i) => i),
      );
      // A loop that has ended takes nothing more.
      const loop = objects.messages({ tag: 10 });
      const pending = loop.next();
      await loop.return?.();
      assert.equal((await pending).done, true);
      await world.barrier();
      await objects.send({ i: 0, data: new Float64Array(1) }, next, 10);
      assert.equal((await objects.recv(previous, 10)).value.i, 0);
    },

    async 'a codec of the program'() {
      const codec: Codec<string> = {
        encode: (text) => Buffer.from(text, 'utf16le'),
        decode: (bytes) => Buffer.from(bytes).toString('utf16le'),
      };
      await around(codec, (from) => `from ${from}`);
      await around(codec, (from) => 'long '.repeat(10_000) + from);
    },
  },
});
