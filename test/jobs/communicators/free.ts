/** free: of each rank for itself; what was started goes on, and what comes late hurts nobody. */
import {
  ANY_SOURCE,
  ANY_TAG,
  type Communicator,
  MPI,
  type Request,
} from '../../../runtime/index.ts';
import { defineJob } from '../job.ts';
import { assert, filled, rejects, throws, verify } from '../lib.ts';
import { next, previous, rank, size, world } from '../ring.ts';
import { assertQuiet, ringSync } from '../talk.ts';

/** Unasked in one packet, unasked in several, and offered: each is dropped in another way. */
const LENGTHS = [8, 12_000, 300_000];

/** Messages that nobody will receive, to every rank, in every way. */
function abandon(comm: Communicator): Request[] {
  return LENGTHS.flatMap((length) =>
    Array.from({ length: comm.size }, (_, to) => comm.isend(filled(length, 99), to, 1)),
  );
}

export default defineJob({
  cases: {
    async 'a freed communicator says so in every call'() {
      const comm = await world.dup();
      await comm.barrier();
      ringSync(comm, 1);
      comm.free();
      comm.free();
      comm[Symbol.dispose]();
      const bytes = new Uint8Array(8);
      for (const call of [
        () => comm.sendSync(bytes, next),
        () => comm.recvSync(bytes, previous),
        () => comm.isend(bytes, next),
        () => comm.irecv(bytes, previous),
        () => comm.barrierSync(),
        () => comm.dupSync(),
        () => comm.splitSync(0),
        () => comm.splitTypeSync('shared'),
        () => comm.createSync(world.group),
        () => comm.createGroupSync(world.group),
        () => comm.createInterSync(0, null, 0),
      ])
        throws('ERR_CLOSED', call);
      for (const promise of [comm.send(bytes, next), comm.recv(bytes), comm.barrier(), comm.dup()])
        await rejects('ERR_CLOSED', promise);
      assert.deepEqual([comm.rank, comm.size, comm.group.size], [rank, size, size]);
    },
    'MPI.world and MPI.self cannot be freed'() {
      throws('ERR_ARG', () => world.free());
      throws('ERR_ARG', () => MPI.self.free());
      world.barrierSync();
    },
    async 'what was started goes on to its end'() {
      for (const length of LENGTHS) {
        const comm = await world.dup();
        const got = new Uint8Array(length);
        const receive = comm.irecv(got, previous, 4);
        const barrier = comm.barrier();
        const send = comm.isend(filled(length, rank), next, 4);
        comm.free();
        const status = await receive;
        assert.deepEqual([status.source, status.byteLength], [previous, length]);
        verify(got, previous, `${length} bytes`);
        await Promise.all([send, barrier]);
      }
    },
    async 'a send to a rank that has freed it ends'() {
      const comm = await world.dup();
      if (rank % 2 === 1) comm.free();
      world.barrierSync();
      const sent = rank % 2 === 0 ? abandon(comm) : [];
      world.barrierSync();
      comm.free();
      for (const request of sent) await request;
    },
    async 'a late message meets no receive of a later communicator'() {
      for (let round = 0; round < 8; round++) {
        const old = await world.dup();
        // Some kept at the free, some on their way, some sent after it.
        const first = abandon(old);
        if (rank % 2 === round % 2) old.free();
        const young = await world.dup();
        const wild = young.irecv(new Uint8Array(300_000), ANY_SOURCE, ANY_TAG);
        const more = rank % 2 === round % 2 ? [] : abandon(old);
        world.barrierSync();
        old.free();
        for (const request of [...first, ...more]) await request;
        world.barrierSync();
        young.sendSync(Float64Array.of(round), next, 5);
        const status = await wild;
        assert.deepEqual([status.source, status.tag, status.byteLength], [previous, 5, 8]);
        assertQuiet(young);
        young.free();
      }
    },
  },
});
