/** comm.timeout: a wait that takes too long says who is waited for, and in what, and loses nothing. */
import { MPI, type MpiError, Request } from '../../../runtime/index.ts';
import { defineJob } from '../job.ts';
import { assert, filled, rejects, throws, verify } from '../lib.ts';
import { next, previous, rank, size, world } from '../ring.ts';

/** Long enough that everybody has begun, short enough for a test. */
const TIME = 30;

async function impatient(check: () => Promise<void>): Promise<void> {
  world.timeout = TIME;
  try {
    await check();
  } finally {
    world.timeout = Number.POSITIVE_INFINITY;
  }
  await world.barrier();
}

function check(error: MpiError, what: RegExp): void {
  assert.match(error.message, /has waited 30 ms \(comm\.timeout\)/);
  assert.match(error.message, what);
  assert.equal(error.rank, MPI.world.rank);
}

export default defineJob({
  ranks: [2, 3, 5],
  cases: {
    async 'what is made from a communicator has its timeout'() {
      const one = await world.dup();
      one.timeout = 5000;
      const two = await one.split(rank % 2);
      const three = one.createSync(one.group);
      assert.deepEqual(
        [one, two, three].map((comm) => comm?.timeout),
        [5000, 5000, 5000],
      );
      assert.equal(world.timeout, Number.POSITIVE_INFINITY);
      for (const comm of [one, two, three]) comm?.free();
    },

    'receives and probes are taken back': () =>
      impatient(async () => {
        const got = new Uint8Array(1);
        const from = new RegExp(`a message from rank ${previous} with tag 7`);
        check(
          throws('ERR_TIMEOUT', () => world.recvSync(got, previous, 7)),
          from,
        );
        check(
          throws('ERR_TIMEOUT', () => world.probeSync(previous, 7)),
          from,
        );
        check(
          throws('ERR_TIMEOUT', () => world.mprobeSync()),
          /any rank with any tag/,
        );
        check(await rejects('ERR_TIMEOUT', world.recv(got, previous, 7)), from);
        check(await rejects('ERR_TIMEOUT', world.probe(previous, 7)), from);
        check(await rejects('ERR_TIMEOUT', world.mprobe(previous, 7)), from);
        check(
          await rejects('ERR_TIMEOUT', world.messages({ tag: 7 }).next()),
          /any rank with tag 7/,
        );
        using parts = world.persistent.precv(got, 1, previous, 7);
        const round = parts.start();
        check(await rejects('ERR_TIMEOUT', parts.arrivals().next()), from);
        world.timeout = Number.POSITIVE_INFINITY;
        world.barrierSync();
        world.isend(Uint8Array.of(5), next, 7);
        world.recvSync(got, previous, 7);
        assert.equal(got[0], 5);
        using sent = world.persistent.psend(Uint8Array.of(6), 1, next, 7);
        const sending = sent.start();
        sent.ready(0);
        Request.waitAll([round, sending]);
        assert.equal(got[0], 6);
      }),

    'sends and requests go on': () =>
      impatient(async () => {
        const to = new RegExp(`rank ${next} to receive a message with tag 8`);
        const large = filled(300_000, rank);
        check(
          throws('ERR_TIMEOUT', () => world.ssendSync(large, next, 8)),
          to,
        );
        check(
          throws('ERR_TIMEOUT', () => world.sendSync(large, next, 8)),
          to,
        );
        check(await rejects('ERR_TIMEOUT', world.ssend(large, next, 8)), to);
        const request = world.issend(large, next, 8);
        check(
          throws('ERR_TIMEOUT', () => request.wait()),
          to,
        );
        check(await rejects('ERR_TIMEOUT', request), to);
        check(
          throws('ERR_TIMEOUT', () => Request.waitAny([request])),
          /to receive|a message/,
        );
        check(
          throws('ERR_TIMEOUT', () => Request.waitAll([request])),
          to,
        );
        check(await rejects('ERR_TIMEOUT', Request.all([request])), to);
        await rejects('ERR_TIMEOUT', Request.any([request]));
        world.timeout = Number.POSITIVE_INFINITY;
        world.barrierSync();
        const got = new Uint8Array(large.length);
        for (let i = 0; i < 4; i++) {
          got.fill(0);
          world.recvSync(got, previous, 8);
          verify(got, previous, 'a message that was late');
        }
        request.wait();
      }),

    'send-receives and barriers': () =>
      impatient(async () => {
        const got = new Uint8Array(1);
        const out = new Uint8Array(1);
        throws('ERR_TIMEOUT', () => world.sendrecvSync(out, next, 9, got, previous, 10));
        await rejects('ERR_TIMEOUT', world.sendrecv(out, next, 9, got, previous, 10));
        world.timeout = Number.POSITIVE_INFINITY;
        for (let i = 0; i < 2; i++) world.recvSync(got, previous, 9);
      }),

    'what comes in time comes': () =>
      impatient(async () => {
        world.timeout = 20_000;
        const got = new Int32Array(1);
        for (let i = 0; i < 100; i++) {
          const send = world.isend(Int32Array.of(i), next, 11);
          if (i % 2) world.recvSync(got, previous, 11);
          else await world.recv(got, previous, 11);
          assert.equal(got[0], i);
          send.wait();
        }
      }),

    'no timeout'() {
      for (const bad of [-1, Number.NaN, '5', null, undefined, 5n])
        throws('ERR_ARG', () => {
          world.timeout = bad as never;
        });
      assert.equal(world.timeout, Number.POSITIVE_INFINITY);
      assert(size > 1);
    },
  },
});
