/** Attributes, names, and how two communicators relate. */
import { AttributeKey, type Communicator } from '../../../runtime/index.ts';
import { defineJob } from '../job.ts';
import { assert, rejects, throws } from '../lib.ts';
import { rank, size, world } from '../ring.ts';

export default defineJob({
  cases: {
    async 'copied by dup and freed by free, as their keys say'() {
      const calls: string[] = [];
      const counted = new AttributeKey<number>({
        copy: (value) => value + 1,
        free: (value) => calls.push(`counted ${value}`),
      });
      const kept = new AttributeKey<string>({ free: (value) => calls.push(`kept ${value}`) });
      const shy = new AttributeKey<string>({ copy: () => undefined });
      const first = await world.dup();
      first.attributes.set(counted, 1).set(kept, 'a').set(shy, 'b').set('plain', 3);
      const second = first.dupSync();
      assert.deepEqual([...second.attributes], [[counted, 2]]);
      const third = await second.dup();
      assert.equal(third.attributes.get(counted), 3);
      third.attributes.set(counted, 30);
      third.attributes.set(counted, 30);
      assert.equal(third.attributes.delete(counted), true);
      assert.equal(third.attributes.delete(counted), false);
      assert.deepEqual(calls, ['counted 3', 'counted 30']);
      first.free();
      assert.deepEqual(calls.slice(2), ['kept a', 'counted 1']);
      second.free();
      third.free();
      assert.deepEqual(calls.slice(4), ['counted 2']);
      using part = await world.split(0);
      assert.equal(part.attributes.size, 0);
    },
    async 'a hook that fails fails the call at all ranks'() {
      const comm = await world.dup();
      const freed: number[] = [];
      const fine = new AttributeKey<number>({ copy: (value) => value, free: (v) => freed.push(v) });
      const bad = new AttributeKey<number>({
        copy: () => {
          if (rank === size - 1) throw new Error('no copy of it');
          return 0;
        },
      });
      comm.attributes.set(fine, 7).set(bad, 1);
      const code = rank === size - 1 ? 'ERR_ARG' : 'ERR_PEER_FAILED';
      throws(code, () => comm.dupSync());
      await rejects(code, comm.dup());
      assert.deepEqual(freed, [7, 7]);
      await comm.barrier();
      comm.attributes.delete(bad);
      comm.dupSync().free();
      comm.free();
    },
    async 'all are freed, also after one that fails'() {
      const comm = await world.dup();
      const freed: string[] = [];
      const note = new AttributeKey<string>({ free: (value) => freed.push(value) });
      const fails = new AttributeKey<string>({
        free: () => {
          throw new RangeError('cannot');
        },
      });
      comm.attributes.set(note, 'first').set(fails, 'x');
      assert.throws(() => comm.free(), RangeError);
      assert.deepEqual(freed, ['first']);
      throws('ERR_CLOSED', () => comm.barrierSync());
    },
    'a hook that is none'() {
      throws('ERR_ARG', () => new AttributeKey({ copy: 3 as unknown as () => 3 }));
      for (const hooks of [null, 3, 'copy'] as never[])
        throws('ERR_ARG', () => new AttributeKey(hooks));
    },
    async names() {
      using comm = await world.dup();
      assert.deepEqual([world.name, comm.name], ['MPI.world', '']);
      comm.name = 'of the solver';
      assert.equal(comm.name, 'of the solver');
      throws('ERR_ARG', () => {
        comm.name = 3 as unknown as string;
      });
    },
    async compare() {
      using same = await world.dup();
      using back = await world.split(0, -rank);
      using alone = await world.split(rank);
      assert.equal(world.compare(world), 'same');
      assert.equal(world.compare(same), 'congruent');
      assert.equal(world.compare(back), size === 1 ? 'congruent' : 'similar');
      assert.equal(world.compare(alone), size === 1 ? 'congruent' : 'unequal');
      throws('ERR_ARG', () => world.compare({} as Communicator));
    },
  },
});
