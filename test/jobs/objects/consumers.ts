/** Objects for several consumers, and receives of objects that are taken back: each object comes whole, and to one. */
import { MPI } from '../../../runtime/index.ts';
import { defineJob, SINGLE_COPY } from '../job.ts';
import { assert, filled, rejects, verify } from '../lib.ts';
import { next, previous, rank, size, world } from '../ring.ts';

interface Parcel {
  from: number;
  number: number;
  text: string;
  small: Uint8Array;
  large: Uint8Array;
}

/** Within the first message, and beyond it in each way. */
const TEXTS = [10, 20_000];
const LARGE = [100, 3000, 70_000];
const EACH = 6;

const parcel = (from: number, number: number): Parcel => ({
  from,
  number,
  text: String(number).repeat(TEXTS[number % TEXTS.length]),
  small: filled(number, from),
  large: filled(LARGE[number % LARGE.length], from + number),
});

function check(found: { value: Parcel; source: number; tag: number }): string {
  const { from, number, large } = found.value;
  assert.deepEqual([found.source, found.tag], [from, number % 3]);
  assert.deepEqual(found.value, parcel(from, number));
  verify(large, from + number, 'a parcel');
  return `${from} ${number}`;
}

const objects = world.objects<Parcel>();

/** Everybody sends to everybody, in both kinds of sends. */
async function sendAll(): Promise<void> {
  const sent: Promise<void>[] = [];
  for (let number = 0; number < EACH; number++)
    for (let to = 0; to < size; to++) {
      const send = number % 2 === 0 ? objects.send : objects.ssend;
      sent.push(send.call(objects, parcel(rank, number), to, number % 3));
    }
  await Promise.all(sent);
}

async function everything(take: (got: (what: string) => number) => Promise<unknown>[]) {
  const found: string[] = [];
  const sent = sendAll();
  await Promise.all(take((what) => found.push(what)));
  await sent;
  const expected = Array.from({ length: size * EACH }, (_, i) => `${i % size} ${(i / size) | 0}`);
  assert.deepEqual(found.sort(), expected.sort());
  await world.barrier();
}

export default defineJob({
  settings: SINGLE_COPY,
  cases: {
    'receives that are posted together': () =>
      everything((got) =>
        Array.from({ length: size * EACH }, async () => got(check(await objects.recv()))),
      ),

    'loops that share what comes': () =>
      everything((got) => {
        const loops = [0, 1, 2].map(() => objects.messages());
        return loops.map(async (loop) => {
          for await (const found of loop)
            if (got(check(found)) === size * EACH) {
              await Promise.all(loops.map((each) => each.return?.()));
              break;
            }
        });
      }),

    'receives by source and tag, some of which are aborted'() {
      const why = new Error('no longer');
      return everything((got) =>
        Array.from({ length: size * EACH }, async (_, i) => {
          const [source, tag] = [i % size, ((i / size) | 0) % 3];
          const controller = new AbortController();
          const aborted = objects.recv(source, 7, controller);
          controller.abort(why);
          await assert.rejects(aborted, why);
          got(check(await objects.recv(source, tag)));
        }),
      );
    },

    async 'a loop that is aborted'() {
      const controller = new AbortController();
      const why = new Error('enough');
      const got: string[] = [];
      await objects.send(parcel(rank, 4), next, 1);
      const loop = async () => {
        for await (const found of objects.messages({ tag: 1, signal: controller.signal })) {
          got.push(check(found));
          setImmediate(() => controller.abort(why));
        }
      };
      await assert.rejects(loop(), why);
      await assert.rejects(loop(), why);
      assert.deepEqual(got, [`${previous} 4`]);
      await world.barrier();
      // Nothing that comes later was lost to it.
      const sent = objects.send(parcel(rank, 1), next, 1);
      check(await objects.recv(previous, 1));
      await sent;
    },

    async 'a receive whose time is over is taken back'() {
      const comm = await world.dup();
      comm.timeout = 1;
      await rejects('ERR_TIMEOUT', comm.objects().recv(previous));
      comm.timeout = Number.POSITIVE_INFINITY;
      await world.barrier();
      const sent = comm.objects<Parcel>().send(parcel(rank, 5), next, 2);
      check(await comm.objects<Parcel>().recv(previous, 2));
      await sent;
      comm.free();
    },

    async 'beside a partitioned operation whose parts have the same numbers'() {
      const PARTITIONS = 8;
      const comm = await world.dup();
      const into = new Uint8Array(PARTITIONS * 1000);
      const send = comm.persistent.psend(filled(into.length, rank), PARTITIONS, next, 3);
      const receive = comm.persistent.precv(into, PARTITIONS, previous, 3);
      const rounds = [send.start(), receive.start()];
      await world.barrier();
      const sent = [4, 7, 10, 13].map((number) =>
        comm.objects<Parcel>().ssend(parcel(rank, number), next, number % 3),
      );
      send.readyRange(0, PARTITIONS - 1);
      for (const _ of sent) check(await comm.objects<Parcel>().recv(previous));
      await Promise.all([...sent, ...rounds]);
      verify(into, previous, 'partitions');
      comm.free();
    },

    async 'without memory for an object its sender goes on, and what comes next arrives'() {
      const { allocUnsafeSlow } = Buffer;
      const comm = MPI.self;
      const own = comm.objects<Parcel>();
      for (const [allowed, number] of [0, 1, 2].flatMap((n) => [
        [n, 2],
        [n, 5],
      ])) {
        const sent = own.send(parcel(rank, number), 0, number % 3);
        let left = allowed;
        Buffer.allocUnsafeSlow = (length) => {
          if (left-- > 0) return allocUnsafeSlow(length);
          throw new RangeError('no memory, for a test');
        };
        try {
          const taken = own.recv(0);
          if (number === 2 ? allowed < 1 : allowed < 3) await rejects('ERR_NO_MEM', taken);
          else await taken;
        } finally {
          Buffer.allocUnsafeSlow = allocUnsafeSlow;
        }
        await sent;
      }
    },
  },
});
