/** createGroup and fromGroup: of a group, called by its members alone. */
import { Communicator, type Group } from '../../../runtime/index.ts';
import { defineJob } from '../job.ts';
import { assert, pause, rejects, throws } from '../lib.ts';
import { rank, size, world } from '../ring.ts';
import { ringSync, talk } from '../talk.ts';

const lower = world.group.rangeIncl([[0, Math.ceil(size / 2) - 1, 1]]);
const pairs = Array.from({ length: size }, (_, first) =>
  world.group.incl(size === 1 ? [0] : [first, (first + 1) % size]),
);
const mine = pairs.filter((group) => group.rank >= 0);

export default defineJob({
  cases: {
    async 'its members alone make it, in both habits'() {
      if (lower.rank < 0) return;
      const made = [
        await world.createGroup(lower),
        world.createGroupSync(lower),
        await Communicator.fromGroup(lower, 'a'),
        Communicator.fromGroupSync(lower, 'a'),
      ];
      for (const [seed, comm] of made.entries()) {
        assert.equal(comm.group.compare(lower), 'same');
        await talk(comm, seed);
      }
      for (const comm of made) comm.free();
    },
    async 'overlapping groups at the same time, with the same tag'() {
      const made = await Promise.all(mine.map((group) => world.createGroup(group)));
      for (const [i, comm] of made.entries()) {
        assert.equal(comm.group.compare(mine[i]), 'same');
        comm.isend(Float64Array.of(pairs.indexOf(mine[i])), 1 % comm.size);
      }
      for (const [i, comm] of made.entries()) {
        const got = new Float64Array(1);
        if (comm.rank === 1 % comm.size) comm.recvSync(got);
        else got[0] = pairs.indexOf(mine[i]);
        assert.equal(got[0], pairs.indexOf(mine[i]));
      }
      for (const comm of made) await comm.barrier();
      for (const comm of made) comm.free();
    },
    async 'different tags at the same time, in another order at each rank'() {
      const tags = [0, 1, 2, 3, 0x7fff_ffff];
      const order = tags.map((_, i) => tags[(i + rank) % tags.length]);
      const made = await Promise.all(order.map((tag) => world.createGroup(world.group, tag)));
      const named = await Promise.all(
        order.map((tag) => Communicator.fromGroup(world.group, `tag ${tag}`)),
      );
      for (const list of [made, named])
        for (const tag of tags) ringSync(list[order.indexOf(tag)], tag);
      for (const comm of [...made, ...named]) comm.free();
    },
    async 'a member that comes late finds what was sent to it'() {
      const late = rank === size - 1;
      for (let round = 0; round < 3; round++) {
        if (late) await pause(20);
        const comm = await world.createGroup(world.group, 5);
        ringSync(comm, round);
        comm.free();
      }
    },
    async 'the same group and tag again and again'() {
      for (let round = 0; round < 20; round++) {
        const comm = world.createGroupSync(world.group, 9);
        ringSync(comm, round);
        if (round % 3 === rank % 3) await pause(1);
        comm.free();
      }
    },
    async 'on a part of the world, by the ranks there'() {
      using part = await world.split(rank % 2, -rank);
      const ends = part.group.incl(part.size > 1 ? [part.size - 1, 0] : [0]);
      if (ends.rank < 0) return;
      const comm = await part.createGroup(ends, 1);
      await talk(comm, rank % 2);
      comm.free();
    },
    async 'a bad argument fails before anything is sent'() {
      if (size > 1) {
        const others = world.group.excl([rank]);
        throws('ERR_RANK', () => world.createGroupSync(others));
        throws('ERR_RANK', () => Communicator.fromGroupSync(others, 'x'));
        using alone = await world.split(rank);
        throws('ERR_RANK', () => alone.createGroupSync(world.group));
      }
      throws('ERR_ARG', () => world.createGroupSync([0] as unknown as Group));
      throws('ERR_TAG', () => world.createGroupSync(world.group, -1));
      await rejects('ERR_TAG', world.createGroup(world.group, 1.5));
      throws('ERR_ARG', () => Communicator.fromGroup(null as unknown as Group, 'x'));
      throws('ERR_TAG', () => Communicator.fromGroup(world.group, 3 as unknown as string));
    },
  },
});
