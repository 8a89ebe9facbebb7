/** What the reference shows of groups, communicators and attributes (MPI 4.1, chapter 7). */
import assert from 'node:assert/strict';
import {
  type AttributeHooks,
  AttributeKey,
  type Attributes,
  Communicator,
  type CommunicatorComparison,
  type Group,
  type GroupComparison,
  type MachinePart,
  MPI,
  type RankRange,
} from '../../../runtime/index.ts';
import { defineJob } from '../job.ts';

const { world } = MPI;
const { rank } = world;

export default defineJob({
  ranks: [2],
  rdma: [],
  cases: {
    'Group, group.incl, group.excl, group.union, group.intersection, group.difference'() {
      const all: Group = world.group;
      const first = all.incl([0]);
      const rest = all.excl([0]);
      assert.deepEqual([...first.union(rest)], [0, 1]);
      assert.equal(first.intersection(rest).size, 0);
      assert.deepEqual([...all.difference(first)], [1]);
    },

    'group.rangeIncl, group.rangeExcl, RankRange'() {
      const backwards: RankRange = [1, 0, -1];
      assert.deepEqual([...world.group.rangeIncl([backwards])], [1, 0]);
      assert.equal(world.group.rangeExcl([backwards]).size, 0);
    },

    'group.translate, group.compare, GroupComparison'() {
      const turned = world.group.incl([1, 0]);
      assert.deepEqual([...turned.translate([0, 1], world.group)], [1, 0]);
      const how: GroupComparison = turned.compare(world.group);
      assert.equal(how, 'similar');
    },

    async 'Communicator, communicator.dup, communicator.compare, communicator.free, CommunicatorComparison'() {
      const mine: Communicator = await world.dup(); // A library's own.
      const how: CommunicatorComparison = mine.compare(world);
      assert.equal(how, 'congruent');
      mine.free();
    },

    async 'communicator.split'() {
      using turned = await world.split(0, -rank); // One color; the last rank comes first.
      assert.deepEqual([turned.size, turned.rank], [2, 1 - rank]);
      assert.equal(await world.split(null), null);
    },

    async 'communicator.splitType, MachinePart'() {
      const part: MachinePart = 'shared';
      using machine = await world.splitType(part); // Those that share this machine's memory.
      assert.ok(machine.size >= 1);
    },

    async 'communicator.create, communicator.createGroup'() {
      const first = world.group.incl([0]);
      const one = await world.create(first); // All ranks call it.
      assert.equal(one?.size, rank === 0 ? 1 : undefined);
      one?.free();
      if (rank === 0) {
        using same = await world.createGroup(first); // Its members alone call it.
        assert.equal(same.size, 1);
      }
    },

    async 'Communicator.fromGroup'() {
      using comm = await Communicator.fromGroup(world.group, 'my-library');
      assert.equal(comm.size, 2);
    },

    async 'AttributeKey, new AttributeKey, AttributeHooks'() {
      const hooks: AttributeHooks<number[]> = { copy: (list) => [...list] };
      const history = new AttributeKey<number[]>(hooks);
      using first = await world.dup();
      first.attributes.set(history, [1, 2]);
      using second = await first.dup(); // Has a copy.
      first.attributes.get(history)?.push(3);
      assert.deepEqual(second.attributes.get(history), [1, 2]);
    },

    async 'Attributes, attributes.set, attributes.get, attributes.delete, attributes.clear'() {
      using comm = await world.dup();
      const kept: Attributes = comm.attributes;
      kept.set('level', 3).set('name', 'coarse');
      assert.equal(kept.get('level'), 3);
      assert.equal(kept.delete('level'), true);
      kept.clear();
      assert.equal(kept.size, 0);
    },
  },
});
