/** Ranks that do not make the same calls with a topology, or among neighbours: every one of them hears of it. */
import type { CartCommunicator, GraphCommunicator } from '../../../runtime/index.ts';
import { defineJob } from '../job.ts';
import { refused } from '../refused.ts';
import { rank, size, world } from '../ring.ts';

const first = rank === 0;
const numbers = (count: number) => new Float64Array(count);

/** On a ring of its own. */
const refusedOnRing = (call: (cart: CartCommunicator) => unknown, words: readonly string[] = []) =>
  refused<CartCommunicator>(call, words, async () => (await world.cart([size], RING))!);
const RING = { periodic: true };

export default defineJob({
  cases: {
    async 'other grids'() {
      const words = [`cart(${size} × 1)`, `cart(1 × ${size})`, 'mismatch.js:'];
      await refused((comm) => comm.cart(first ? [size, 1] : [1, size]), words);
      await refused((comm) => comm.cartSync([size], { periodic: first }), ['periodic along 0']);
      await refused((comm) => comm.cartSync(first ? [size] : [size, 1]));
      await refused((comm) => (first ? comm.distGraph([]) : comm.cart([size])));
      await refusedOnRing((cart) => cart.sub([first]));
    },
    async 'other operations among neighbours'() {
      await refusedOnRing(
        (cart) =>
          first
            ? cart.neighborAllgatherSync(numbers(1), numbers(2))
            : cart.neighborAlltoallSync(numbers(2), numbers(2)),
        ['neighborAllgather(elements of Float64Array)', 'mismatch.js:'],
      );
      await refusedOnRing((cart) =>
        first ? cart.barrier() : cart.neighborAlltoall(numbers(2), numbers(2)),
      );
    },
    async 'other types and lengths than the neighbours have'() {
      const [one, other] = [new Int32Array(2), new Int32Array(2)];
      await refusedOnRing(
        (cart) =>
          first
            ? cart.neighborAlltoall(one, other)
            : cart.neighborAlltoall(new Float32Array(2), new Float32Array(2)),
        ['Int32Array', 'Float32Array'],
      );
      const of = (count: number) => [numbers(count), numbers(count)];
      await refusedOnRing((cart) => {
        const count = first ? 3 : 2;
        return cart.neighborAllgather(numbers(count), numbers(2 * count));
      });
      await refusedOnRing((cart) => cart.neighborAlltoallv(of(first ? 3 : 2), of(2)));
      await refusedOnRing(
        (cart) => cart.neighborAlltoallv(first ? [new Int32Array(4), numbers(2)] : of(2), of(2)),
        ['another type'],
      );
    },
    'two blocks between the same ranks, of types the other way round': () =>
      refused<GraphCommunicator>(
        (graph) => {
          const [ints, floats] = [new Int32Array(4), numbers(2)];
          const send = first ? [ints, floats] : [];
          return graph.neighborAlltoallv(send, rank === 1 ? [numbers(2), new Int32Array(4)] : []);
        },
        [],
        () =>
          world.distGraphAdjacent({
            sources: rank === 1 ? [0, 0] : [],
            destinations: first ? [1, 1] : [],
          }),
      ),
    'persistent operations': () =>
      refusedOnRing((cart) => {
        const { persistentNeighbor: persistent } = cart;
        const [one, two] = [numbers(2), numbers(2)];
        return (
          first
            ? persistent.alltoall(one, two)
            : persistent.alltoallv([one, one], [two, numbers(2)])
        ).run();
      }),
  },
});
