/** probe, iprobe, mprobe, improbe, and the messages that they claim. */
import { ANY_SOURCE, ANY_TAG, Message, MPI, PROC_NULL, Status } from '../../../runtime/index.ts';
import { defineJob, RING, SINGLE_COPY } from '../job.ts';
import { assert, filled, rejects, throws, verify } from '../lib.ts';
import { checkStatus, next, previous, rank, SIZES, world } from '../ring.ts';

/** Until one is there. */
function poll<Found>(look: () => Found | null): Found {
  for (;;) {
    const found = look();
    if (found !== null) return found;
  }
}

/** Every way to see a message that waits, each of which leaves it. */
const SHOWS: ((source: number, tag: number) => Status | Promise<Status>)[] = [
  (source, tag) => world.probeSync(source, tag),
  (source, tag) => world.probe(source, tag),
  (source, tag) => poll(() => world.iprobe(source, tag)),
];
const CLAIMS: ((source: number, tag: number) => Message | Promise<Message>)[] = [
  (source, tag) => world.mprobeSync(source, tag),
  (source, tag) => world.mprobe(source, tag),
  (source, tag) => poll(() => world.improbe(source, tag)),
];
const RECEIVES: ((message: Message, length: number) => Promise<Uint8Array> | Uint8Array)[] = [
  (message, length) => {
    const got = new Uint8Array(length + 3);
    checkStatus(message.recvSync(got), previous, message.tag, length);
    return got.subarray(0, length);
  },
  async (message, length) => {
    const got = new Uint8Array(length);
    checkStatus(await message.recv(got), previous, message.tag, length);
    return got;
  },
  async (message) => message.take(Uint8Array),
  (message) => message.takeSync(Uint8Array),
];

export default defineJob({
  ranks: RING,
  settings: SINGLE_COPY,
  cases: {
    async 'what a probe shows is what the receive gets'() {
      for (const synchronous of [false, true])
        for (const length of SIZES)
          for (const show of SHOWS) {
            const send = synchronous
              ? world.issend(filled(length, rank), next, 3)
              : world.isend(filled(length, rank), next, 3);
            for (const [source, tag] of [
              [previous, 3],
              [ANY_SOURCE, 3],
              [previous, ANY_TAG],
              [ANY_SOURCE, ANY_TAG],
            ])
              checkStatus(await show(source, tag), previous, 3, length);
            if (synchronous) {
              assert.equal(send.test(), false);
              world.barrierSync();
            }
            const got = new Uint8Array(length);
            world.recvSync(got, previous, 3);
            verify(got, previous, 'probed');
            send.wait();
            world.barrierSync();
          }
    },

    async 'a message that is claimed goes to nobody else'() {
      for (const length of SIZES)
        for (const claim of CLAIMS)
          for (const receive of RECEIVES) {
            const first = world.isend(filled(length, rank), next, 4);
            const second = world.isend(filled(length, rank + 50), next, 4);
            const message = await claim(ANY_SOURCE, 4);
            checkStatus(message as unknown as Status, previous, 4, length);
            const got = new Uint8Array(length);
            world.recvSync(got, previous, 4);
            verify(got, previous + 50, 'the second message');
            verify(await receive(message, length), previous, 'the claimed message');
            throws('ERR_REQUEST', () => message.recvSync(got));
            first.wait();
            second.wait();
            world.barrierSync();
          }
    },

    async 'probes that are posted before their message'() {
      for (const length of SIZES) {
        const shown = world.probe(previous, 5);
        const claimed = world.mprobe(previous, 5);
        const got = new Uint8Array(length);
        const receive = world.irecv(got, previous, 5);
        const late = world.probe(ANY_SOURCE, ANY_TAG);
        world.barrierSync();
        const send = world.issend(filled(length, rank), next, 5);
        checkStatus(await shown, previous, 5, length);
        const message = await claimed;
        assert.equal(receive.done || send.done, false);
        world.barrierSync();
        const other = world.isend(filled(length, rank + 1), next, 5);
        checkStatus(await receive, previous, 5, length);
        verify(got, previous + 1, 'the receive after the probe');
        world.isend(new Uint8Array(1), next, 6);
        checkStatus(await late, previous, 6, 1);
        world.recvSync(got.length > 0 ? got : new Uint8Array(1), previous, 6);
        verify(await message.take(Uint8Array), previous, 'the claimed message');
        send.wait();
        other.wait();
      }
    },

    async 'nothing is there'() {
      assert.equal(world.iprobe(previous, 99), null);
      assert.equal(world.improbe(), null);
      world.barrierSync();
      world.isend(new Uint8Array(1), next, 7);
      world.probeSync(previous, 7);
      assert.equal(world.iprobe(previous, 8), null);
      assert.equal(world.improbe(ANY_SOURCE, 8), null);
      world.recvSync(new Uint8Array(1), previous, 7);
      world.barrierSync();
    },

    async nobody() {
      const status = new Status();
      for (const shown of [
        world.probeSync(PROC_NULL, 3, status),
        await world.probe(PROC_NULL),
        world.iprobe(PROC_NULL),
      ])
        checkStatus(shown as Status, PROC_NULL, ANY_TAG, 0);
      for (const message of [
        world.mprobeSync(PROC_NULL),
        await world.mprobe(PROC_NULL),
        world.improbe(PROC_NULL),
      ]) {
        assert(message instanceof Message);
        checkStatus(message.recvSync(new Uint8Array(3)), PROC_NULL, ANY_TAG, 0);
        assert.equal(message.takeSync(Float64Array).length, 0);
      }
    },

    'a status may be used again, and MPI.self as well'() {
      const status = new Status();
      MPI.self.isend(new Uint8Array(5), 0, 1);
      assert.equal(MPI.self.probeSync(0, 1, status), status);
      checkStatus(status, 0, 1, 5);
      assert.equal(MPI.self.iprobe(0, 1, status), status);
      MPI.self.recvSync(new Uint8Array(5), 0, 1);
      throws('ERR_DEADLOCK', () => MPI.self.probeSync(0, 1));
      throws('ERR_DEADLOCK', () => MPI.self.mprobeSync(0, 1));
    },

    async 'a buffer or a type that does not fit leaves the message'() {
      world.isend(filled(100, rank), next, 9);
      const message = world.mprobeSync(previous, 9);
      throws('ERR_TRUNCATE', () => message.recvSync(new Uint8Array(99)));
      await rejects('ERR_TRUNCATE', message.recv(new Uint8Array(0)));
      throws('ERR_BUFFER', () => message.irecv({} as never));
      throws('ERR_ARG', () => message.take(Float64Array));
      throws('ERR_ARG', () => message.takeSync(Array as never));
      throws('ERR_ARG', () => message.recvSync(new Uint8Array(100), {} as never));
      const array = message.takeSync(Int32Array);
      assert.equal(array.length, 25);
      verify(new Uint8Array(array.buffer), previous, 'the message');
    },

    'a thousand claimed messages, received from the last to the first'() {
      const count = 1000;
      for (let i = 0; i < count; i++) world.isend(Int32Array.of(i), next, i % 7);
      const messages = Array.from({ length: count }, () => world.mprobeSync(previous));
      for (let i = count - 1; i >= 0; i--) {
        assert.equal(messages[i].tag, i % 7);
        assert.equal(messages[i].takeSync(Int32Array)[0], i);
      }
    },
  },
});
