/** Intercommunicators: createInter, messages to the other group, merge. */
import { ANY_SOURCE, type Communicator, type InterCommunicator } from '../../../runtime/index.ts';
import { defineJob } from '../job.ts';
import { assert, filled, rejects, throws, verify } from '../lib.ts';
import { rank, size, world } from '../ring.ts';
import { ringSync, talk } from '../talk.ts';

/** The lower group has one rank more where they are odd; the upper one's ranks are in the other direction. */
const lowSize = Math.ceil(size / 2);
const low = rank < lowSize;
const halves = () => world.splitSync(low ? 0 : 1, low ? rank : -rank);

/** The leaders are the last rank of each. */
async function connect(local: Communicator, tag = 0): Promise<InterCommunicator> {
  const leader = local.size - 1;
  return local.createInter(
    leader,
    local.rank === leader ? world : null,
    low ? lowSize : lowSize - 1,
    tag,
  );
}

async function talkAcross(inter: InterCommunicator): Promise<void> {
  for (const length of [8, 100_000]) {
    const receives = Array.from({ length: inter.remoteSize }, () => new Uint8Array(length));
    const requests = receives.map((got, from) => inter.irecv(got, from, 3));
    for (let to = 0; to < inter.remoteSize; to++) await inter.send(filled(length, rank), to, 3);
    for (const [from, request] of requests.entries()) {
      const status = await request;
      assert.equal(status.source, from);
      verify(receives[from], [...inter.remoteGroup][from], `from ${from} of the other group`);
    }
  }
  inter.isend(Float64Array.of(rank), inter.rank % inter.remoteSize, 9);
  const senders = Array.from({ length: inter.remoteSize }, (_, each) => each).filter(
    (each) => each % inter.size === inter.rank,
  );
  const heard = senders.map(() => inter.recvSync(new Float64Array(1), ANY_SOURCE, 9).source);
  assert.deepEqual(
    heard.sort((a, b) => a - b),
    senders,
  );
}

export default defineJob({
  ranks: [2, 3, 5, 8],
  cases: {
    async 'two groups talk to each other'() {
      using local = halves();
      const inter = await connect(local);
      assert.deepEqual([inter.rank, inter.size], [local.rank, local.size]);
      assert.equal(inter.remoteSize, size - local.size);
      assert.equal(inter.remoteGroup.intersection(inter.group).size, 0);
      await talkAcross(inter);
      throws('ERR_RANK', () => inter.sendSync(new Uint8Array(1), inter.remoteSize));
      inter.free();
      throws('ERR_CLOSED', () => inter.sendSync(new Uint8Array(1), 0));
      await rejects('ERR_CLOSED', inter.merge(true));
    },
    async 'both groups become one'() {
      using local = halves();
      using inter = await connect(local);
      for (const lowFirst of [true, false]) {
        const one = lowFirst ? await inter.merge(!low) : inter.mergeSync(low);
        const [first, last] =
          low === lowFirst ? [inter.group, inter.remoteGroup] : [inter.remoteGroup, inter.group];
        assert.deepEqual([...one.group], [...first, ...last]);
        await talk(one, 4);
        one.free();
      }
      // Both say the same: the one that has the world's rank 0 first comes first.
      const same = await inter.merge();
      const [first, last] = low
        ? [inter.group, inter.remoteGroup]
        : [inter.remoteGroup, inter.group];
      assert.deepEqual([...same.group], [...first, ...last]);
      same.free();
    },
    async 'who disconnects waits for all ranks of both groups'() {
      using local = halves();
      const late = new Uint8Array(1);
      for (const sync of [false, true]) {
        const inter = await connect(local);
        const last = low && local.rank === 0;
        // The last one comes when another rank has said that it waits.
        if (last) await world.recv(late, size - 1, 77);
        const ended = sync ? null : inter.disconnect();
        if (rank === size - 1) {
          assert.equal(ended?.test() ?? false, false);
          await world.send(late, 0, 77);
        }
        if (ended === null) inter.disconnectSync();
        else await ended;
        throws('ERR_CLOSED', () => inter.sendSync(new Uint8Array(1), 0));
        inter.free(); // Nothing is left to free.
      }
    },
    async 'several at the same time, told apart by their tags'() {
      using local = halves();
      const [a, b] = await Promise.all([connect(local, 1), connect(local, 2)]);
      const merged = await Promise.all([a.merge(low), b.merge(low)]);
      for (const [said, comm] of merged.entries()) {
        ringSync(comm, said);
        comm.free();
      }
      a.free();
      b.free();
    },
    async 'ranks that do not agree are told'() {
      using local = halves();
      using inter = await connect(local);
      if (size > 2) await rejects('ERR_ARG', inter.merge(!low || local.rank === 0));
    },
    async 'a bad argument fails before anything is sent'() {
      using local = halves();
      throws('ERR_RANK', () => local.createInterSync(local.size, world, 0));
      throws('ERR_TAG', () => local.createInterSync(0, world, 0, -1));
      if (local.rank === 0) {
        throws('ERR_ARG', () => local.createInterSync(0, null, 0));
        throws('ERR_RANK', () => local.createInterSync(0, world, size));
        throws('ERR_RANK', () => local.createInterSync(0, world, rank));
      }
      const inter = await connect(local);
      throws('ERR_ARG', () => inter.mergeSync('high' as unknown as boolean));
      inter.free();
    },
  },
});
