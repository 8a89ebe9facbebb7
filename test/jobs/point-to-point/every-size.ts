/** What must hold with any number of ranks. Each rank says after each case that it went well. */
import {
  ANY_SOURCE,
  ANY_TAG,
  type Communicator,
  MPI,
  PROC_NULL,
  Request,
  type Status,
} from '../../../runtime/index.ts';
import { assert, filled, Random, verify } from '../lib.ts';

const world = MPI.world;
const { rank, size } = world;
const next = (rank + 1) % size;
const previous = (rank - 1 + size) % size;
/** On both sides of every way that a message can go. */
const SIZES = [0, 1, 8, 48, 49, 4096, 16384, 16385, 40_000, 300_000];

function checkStatus(status: Status, source: number, tag: number, byteLength: number): void {
  assert.deepEqual({ ...status }, { source, tag, byteLength });
}

const cases: Record<string, () => void | Promise<void>> = {
  async 'messages to oneself'() {
    await selfSends(world);
    await selfSends(MPI.self);
  },

  'a ring, blocking'() {
    for (const length of SIZES) {
      const got = new Uint8Array(length);
      const receive = world.irecv(got, previous, length);
      world.sendSync(filled(length, rank), next, length);
      checkStatus(receive.wait(), previous, length, length);
      verify(got, previous, 'the ring');
    }
    // A token that each rank takes before it passes it on.
    const token = new Float64Array(1);
    for (let round = 0; round < 50; round++) {
      if (rank === 0) world.sendSync(Float64Array.of(round * size), next, 1);
      world.recvSync(token, previous, 1);
      assert.equal(token[0], round * size + ((rank + size - 1) % size));
      token[0]++;
      if (rank !== 0) world.sendSync(token, next, 1);
    }
  },

  async 'a ring of promises'() {
    for (const length of SIZES) {
      const got = new Uint8Array(length);
      const [status] = await Promise.all([
        world.recv(got, previous, 3),
        world.send(filled(length, rank + 100), next, 3),
      ]);
      checkStatus(status, previous, 3, length);
      verify(got, previous + 100, 'the ring');
    }
    const token = new Float64Array(1);
    for (let round = 0; round < 50; round++) {
      if (rank === 0) await world.send(Float64Array.of(round * size), next, 1);
      await world.recv(token, previous, 1);
      assert.equal(token[0], round * size + ((rank + size - 1) % size));
      token[0]++;
      if (rank !== 0) await world.send(token, next, 1);
    }
  },

  'any source, any tag'() {
    const each = 20;
    if (rank !== 0) {
      for (let i = 0; i < each; i++) world.sendSync(Int32Array.of(rank, i), 0, rank * 1000 + i);
      return;
    }
    const nextOf = new Array(size).fill(0);
    const got = new Int32Array(2);
    for (let i = 0; i < each * (size - 1); i++) {
      const status = world.recvSync(got, ANY_SOURCE, ANY_TAG);
      const [source, number] = got;
      checkStatus(status, source, source * 1000 + number, 8);
      assert.equal(number, nextOf[source]++, 'messages of one rank overtook each other');
    }
    assert.deepEqual(nextOf.slice(1), new Array(size - 1).fill(each));
  },

  'receives match in the order of posting'() {
    const target = 0;
    const sender = size - 1;
    const shapes = [
      [ANY_SOURCE, 5],
      [sender, ANY_TAG],
      [ANY_SOURCE, ANY_TAG],
      [sender, 5],
      [sender, 5],
      [ANY_SOURCE, 5],
    ];
    const numbers = shapes.map(() => new Int32Array(1));
    const requests =
      rank === target ? shapes.map(([s, t], i) => world.irecv(numbers[i], s, t)) : [];
    world.barrierSync();
    if (rank === sender)
      for (let i = 0; i < shapes.length; i++) world.sendSync(Int32Array.of(i), target, 5);
    if (rank !== target) return;
    Request.waitAll(requests);
    assert.deepEqual(
      numbers.map((view) => view[0]),
      [0, 1, 2, 3, 4, 5],
    );
  },

  'messages that nobody asked for are taken in the order of their coming'() {
    if (rank === size - 1)
      for (let i = 0; i < 30; i++)
        world.isend(filled(i % 3 === 0 ? 20_000 : 8, i), 0, 100 + (i % 5));
    world.barrierSync();
    if (rank !== 0) return;
    const got = new Uint8Array(20_000);
    const taken: number[] = [];
    const take = (tag: number, expected: number) => {
      const status = world.recvSync(got, tag % 2 ? size - 1 : ANY_SOURCE, tag);
      assert.equal(status.tag, 100 + (expected % 5));
      verify(got.subarray(0, status.byteLength), expected, `message ${expected}`);
      taken.push(expected);
    };
    take(103, 3);
    take(ANY_TAG, 0);
    take(ANY_TAG, 1);
    take(101, 6);
    take(103, 8);
    take(ANY_TAG, 2);
    take(ANY_TAG, 4);
    for (let i = 0; i < 30; i++) if (!taken.includes(i)) take(ANY_TAG, i);
  },

  async 'messages of no bytes'() {
    for (let i = 0; i < 3; i++) {
      world.isend(new Uint8Array(0), next, i);
      world.isend(new ArrayBuffer(0), next, i);
    }
    for (let i = 2; i >= 0; i--) {
      checkStatus(world.recvSync(new Uint8Array(8), previous, i), previous, i, 0);
      const status = await world.recv(new Float64Array(0), previous, i);
      checkStatus(status, previous, i, 0);
      assert.equal(status.count(Float64Array), 0);
    }
  },

  async 'barriers let nobody through before all are there'() {
    for (let round = 0; round < 10; round++) {
      for (let to = 0; to < size; to++) world.isend(Int32Array.of(round), to, 50);
      if (round % 2) world.barrierSync();
      else await world.barrier();
      // Whoever came to the barrier had sent before: one look must find it.
      for (let from = 0; from < size; from++) {
        const got = new Int32Array(1);
        assert(world.irecv(got, from, 50).test(), `rank ${from} had not entered barrier ${round}`);
        assert.equal(got[0], round);
      }
    }
  },

  async 'sendrecv shifts'() {
    for (const length of SIZES) {
      const got = new Uint8Array(length);
      const sent = filled(length, rank * 7);
      checkStatus(world.sendrecvSync(sent, next, 4, got, previous, 4), previous, 4, length);
      verify(got, previous * 7, 'sendrecvSync');
      got.fill(0);
      checkStatus(await world.sendrecv(sent, previous, 5, got, next, 5), next, 5, length);
      verify(got, next * 7, 'sendrecv');
    }
  },

  async 'nobody is there at PROC_NULL'() {
    const got = Uint8Array.of(1, 2, 3);
    world.sendSync(got, PROC_NULL, 1);
    await world.send(got, PROC_NULL, 1);
    const none = [PROC_NULL, ANY_TAG, 0] as const;
    checkStatus(world.recvSync(got, PROC_NULL, 1), ...none);
    checkStatus(await world.recv(got, PROC_NULL), ...none);
    checkStatus(world.irecv(got, PROC_NULL).wait(), ...none);
    assert(world.isend(got, PROC_NULL).test());
    checkStatus(world.sendrecvSync(got, PROC_NULL, 0, got, PROC_NULL), ...none);
    assert.deepEqual([...got], [1, 2, 3]);
    // An open line of ranks: the ends talk to nobody.
    const right = rank === size - 1 ? PROC_NULL : rank + 1;
    const left = rank === 0 ? PROC_NULL : rank - 1;
    const number = Int32Array.of(-1);
    const status = world.sendrecvSync(Int32Array.of(rank), right, 8, number, left, 8);
    assert.equal(status.source, left);
    assert.equal(number[0], rank === 0 ? -1 : rank - 1);
  },

  async 'some ranks block while others await'() {
    const random = new Random(11);
    for (let round = 0; round < 60; round++) {
      const length = random.pick(SIZES);
      const got = new Uint8Array(length);
      const sent = filled(length, round + rank);
      if ((rank + round) % 2 === 0) {
        const receive = world.irecv(got, previous, round);
        if (round % 3 === 0) world.sendSync(sent, next, round);
        else world.isend(sent, next, round).wait();
        receive.wait();
      } else {
        const receive = world.irecv(got, previous, round);
        await world.send(sent, next, round);
        await receive;
      }
      verify(got, round + previous, `round ${round}`);
    }
  },

  async 'everybody to everybody'() {
    const each = 8;
    const lengthOf = (from: number, to: number, i: number) =>
      new Random(from * 10_000 + to * 100 + i).pick(SIZES);
    const receives: { request: Request; got: Uint8Array; from: number; i: number }[] = [];
    for (let i = each - 1; i >= 0; i--)
      for (let from = 0; from < size; from++) {
        const got = new Uint8Array(lengthOf(from, rank, i));
        receives.push({ request: world.irecv(got, from, i), got, from, i });
      }
    const sends: Request[] = [];
    for (let i = 0; i < each; i++)
      for (let to = 0; to < size; to++)
        sends.push(world.isend(filled(lengthOf(rank, to, i), rank * 1000 + i), to, i));
    if (rank % 2) Request.waitAll(sends);
    else await Promise.all(sends);
    for (const { request, got, from, i } of receives) {
      const status = rank % 2 ? await request : request.wait();
      checkStatus(status, from, i, got.length);
      verify(got, from * 1000 + i, `message ${i} from rank ${from}`);
    }
  },

  async 'requests may be tested, awaited twice, and waited for after'() {
    const got = new Int32Array(2);
    const request = world.irecv(got.subarray(0, 1), previous, 1);
    const other = world.irecv(got.subarray(1), previous, 2);
    const both = Promise.all([request, request.then((status) => status.tag)]);
    world.sendSync(Int32Array.of(21), next, 2);
    while (!other.test());
    world.sendSync(Int32Array.of(42), next, 1);
    const [status, tag] = await both;
    assert.equal(tag, 1);
    assert(request.done && request.test());
    assert.equal(request.wait(), status);
    assert.equal(request.status, status);
    assert.deepEqual([...got], [42, 21]);
  },
};

async function selfSends(comm: Communicator): Promise<void> {
  const me = comm.rank;
  for (const length of SIZES) {
    const sent = filled(length, length);
    const got = new Uint8Array(length);
    const receive = comm.irecv(got, me, 1);
    comm.sendSync(sent, me, 1);
    checkStatus(receive.wait(), me, 1, length);
    verify(got, length, 'irecv, sendSync');
    got.fill(0);
    const send = comm.isend(sent, me, 2);
    checkStatus(comm.recvSync(got, ANY_SOURCE, 2), me, 2, length);
    send.wait();
    verify(got, length, 'isend, recvSync');
    got.fill(0);
    const [status] = await Promise.all([comm.recv(got), comm.send(sent, me, 3)]);
    checkStatus(status, me, 3, length);
    verify(got, length, 'recv, send');
  }
}

for (const [name, body] of Object.entries(cases)) {
  await body();
  process.stdout.write(`${name}: ok\n`);
  await world.barrier();
}
