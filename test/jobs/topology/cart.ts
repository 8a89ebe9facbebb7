/** cart, sub: where ranks stand, and who is beside them. */
import { AttributeKey, type CartCommunicator, dimsCreate } from '../../../runtime/index.ts';
import { neighborsOf, onEachGrid, places, placesOf, rankBeside } from '../grids.ts';
import { defineJob } from '../job.ts';
import { assert, rejects, throws } from '../lib.ts';
import { rank, size, world } from '../ring.ts';
import { talk } from '../talk.ts';

export default defineJob({
  cases: {
    'where every rank stands, and who is how far away': () =>
      onEachGrid((cart, shape, what) => {
        const { dims, periodic } = shape;
        const all = places(dims);
        assert.deepEqual([cart.rank, cart.size], [rank, placesOf(dims)], what);
        assert.deepEqual([cart.dims, cart.periodic], [dims, periodic], what);
        assert.deepEqual(cart.coords, all[rank], what);
        for (const [its, coords] of all.entries()) {
          assert.deepEqual(cart.coordsOf(its), coords, what);
          assert.equal(cart.rankAt(coords), its, what);
          const far = coords.map((place, i) => (periodic[i] ? place - 3 * dims[i] : place));
          assert.equal(cart.rankAt(far), its, what);
        }
        const beside = neighborsOf(shape, rank);
        assert.deepEqual([cart.sources, cart.destinations], [beside, beside], what);
        for (const dimension of dims.keys())
          for (const by of [0, 1, -1, 2, 5, -13]) {
            const to = rankBeside(shape, rank, dimension, by);
            const from = rankBeside(shape, rank, dimension, -by);
            assert.deepEqual(cart.shift(dimension, by), { source: from, destination: to }, what);
          }
      }),
    'messages along a dimension go round, or end where the grid ends': () =>
      onEachGrid((cart, { dims }, what) => {
        for (const dimension of dims.keys()) {
          const { source, destination } = cart.shift(dimension);
          const got = Int32Array.of(-1);
          cart.sendrecvSync(Int32Array.of(rank), destination, 0, got, source, 0);
          assert.equal(got[0], Math.max(source, -1), what);
        }
      }),
    async 'a grid of fewer dimensions'() {
      await onEachGrid(async (cart, { dims, periodic }, what) => {
        for (let kept = 0; kept < 2 ** dims.length; kept++) {
          const keep = dims.map((_, i) => Boolean(kept & (1 << i)));
          const isKept = (_: unknown, i: number) => keep[i];
          const sub = kept % 2 === 0 ? await cart.sub(keep) : cart.subSync(keep);
          assert.deepEqual(sub.dims, dims.filter(isKept), what);
          assert.deepEqual(sub.periodic, periodic.filter(isKept), what);
          assert.deepEqual(sub.coords, cart.coords.filter(isKept), what);
          const same = places(dims)
            .map((coords, its) => ({ coords, its }))
            .filter(({ coords }) => coords.every((one, i) => keep[i] || one === cart.coords[i]));
          assert.deepEqual(
            [...sub.group],
            same.map(({ its }) => its),
            what,
          );
          sub.free();
        }
      });
    },
    async 'a duplicate stands as the first, and has its attributes'() {
      const key = new AttributeKey<number[]>({ copy: (value) => [...value, rank] });
      const cart = (await world.cart(dimsCreate(size, 2), { periodic: [true, false] }))!;
      cart.attributes.set(key, [7]);
      cart.timeout = 100_000;
      const copy: CartCommunicator = await cart.dup();
      assert.deepEqual([copy.dims, copy.periodic], [cart.dims, cart.periodic]);
      assert.deepEqual([copy.coords, copy.sources], [cart.coords, cart.sources]);
      assert.deepEqual(copy.attributes.get(key), [7, rank]);
      assert.equal(copy.timeout, cart.timeout);
      assert.equal(copy.compare(cart), 'congruent');
      await talk(copy, 3);
      // A grid of a grid.
      const line = copy.cartSync([size])!;
      assert.deepEqual(line.coords, [rank]);
      for (const comm of [cart, copy, line]) comm.free();
    },
    async 'bad arguments are told before anything is sent'() {
      const bad = (value: unknown) => value as number[];
      for (const dims of [null, 3, [0], [-1], [1.5], ['2'], [size + 1], [size, 2], [2 ** 53]])
        throws('ERR_ARG', () => world.cartSync(bad(dims)));
      await rejects('ERR_ARG', world.cart([size + 1]));
      for (const periodic of [1, [true], [true, 0], null])
        throws('ERR_ARG', () => world.cartSync([1, 1], { periodic: periodic as never }));
      throws('ERR_ARG', () => world.cartSync([1], { reorder: 1 as never }));
      throws('ERR_ARG', () => world.cartSync([1], null as never));
      throws('ERR_ARG', () => world.cartSync(new Array(65).fill(1)));
      const cart = world.cartSync([size, 1], { periodic: [false, true] })!;
      for (const coords of [[0], [0, 0, 0], [size, 0], [-1, 0], [0.5, 0], null])
        throws('ERR_ARG', () => cart.rankAt(coords as number[]));
      for (const one of [-1, size, 0.5, '0'])
        throws('ERR_RANK', () => cart.coordsOf(one as number));
      for (const one of [-1, 2, 0.5, '0']) throws('ERR_ARG', () => cart.shift(one as number));
      for (const one of [0.5, Number.NaN, '1'])
        throws('ERR_ARG', () => cart.shift(0, one as number));
      for (const keep of [true, [true], [1, 0], null])
        throws('ERR_ARG', () => cart.subSync(keep as boolean[]));
      assert.throws(() => (cart.sources as number[]).push(0), TypeError);
      cart.free();
      throws('ERR_CLOSED', () => cart.subSync([true, true]));
      throws('ERR_CLOSED', () => cart.cartSync([1]));
      world.barrierSync();
    },
  },
});
