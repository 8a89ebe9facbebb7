/** distGraph, distGraphAdjacent: neighbours of a program's own choice. */
import {
  type Adjacency,
  AttributeKey,
  type Edge,
  type GraphCommunicator,
} from '../../../runtime/index.ts';
import { Random } from '../../tools/random.ts';
import { checkEqual, elements, inEitherHabit } from '../elements.ts';
import { defineJob } from '../job.ts';
import { assert, rejects, throws } from '../lib.ts';
import { next, previous, rank, size, world } from '../ring.ts';
import { talk } from '../talk.ts';

/** Edges that each rank names, at random: of any ranks, of a rank with itself, and several of the same two. */
function randomLists(seed: number, weighted: boolean): Edge[][] {
  const random = new Random(seed);
  return Array.from({ length: size }, () =>
    Array.from({ length: random.below(6) }, () => {
      const [from, to] = [random.below(size), random.below(size)];
      return weighted ? { from, to, weight: random.below(2 ** 31) * 2 ** 20 } : { from, to };
    }),
  );
}

/** A rank's own edges of a graph. */
function adjacencyOf(edges: readonly Edge[], one: number): Adjacency {
  const incoming = edges.filter(({ to }) => to === one);
  const outgoing = edges.filter(({ from }) => from === one);
  const ends = {
    sources: incoming.map(({ from }) => from),
    destinations: outgoing.map(({ to }) => to),
  };
  const weight = (edge: Edge) => edge.weight!;
  if (![...incoming, ...outgoing].some((edge) => edge.weight !== undefined)) return ends;
  return {
    ...ends,
    sourceWeights: incoming.map(weight),
    destinationWeights: outgoing.map(weight),
  };
}

/** What comes over each edge is what its other end has sent over it: the k-th of a pair over its k-th edge. */
async function exchange(graph: GraphCommunicator, edges: readonly Edge[], what: string) {
  const numbered = edges.map((edge, number) => ({ ...edge, number }));
  const outgoing = numbered.filter(({ from }) => from === rank);
  const incoming = numbered.filter(({ to }) => to === rank);
  const lengthOf = (number: number) => (number * 7) % 40;
  const send = outgoing.map(({ number }) => elements(lengthOf(number), number));
  const receive = incoming.map(({ number }) => new Float64Array(lengthOf(number)));
  await inEitherHabit(
    () => graph.neighborAlltoallvSync(send, receive),
    () => graph.neighborAlltoallv(send, receive),
  );
  for (const [i, { number }] of incoming.entries())
    checkEqual(receive[i], elements(lengthOf(number), number), what);
  const room = new Int32Array(incoming.length);
  graph.neighborAlltoallSync(
    Int32Array.from(outgoing, ({ number }) => number),
    room,
  );
  assert.deepEqual(
    [...room],
    incoming.map(({ number }) => number),
    what,
  );
}

export default defineJob({
  cases: {
    async 'edges that any rank names come to their ends'() {
      for (let seed = 1; seed <= 8; seed++) {
        const weighted = seed % 2 === 0;
        const lists = randomLists(seed, weighted);
        const graph = await inEitherHabit(
          () => world.distGraphSync(lists[rank], { reorder: weighted }),
          () => world.distGraph(lists[rank]),
        );
        const mine = adjacencyOf(lists.flat(), rank);
        assert.deepEqual(graph.weights, mine, `seed ${seed}`);
        assert.deepEqual(graph.sources, mine.sources);
        assert.deepEqual(graph.destinations, mine.destinations);
        assert.deepEqual([graph.rank, graph.size], [rank, size]);
        await exchange(graph, lists.flat(), `seed ${seed}`);
        graph.free();
      }
    },
    async 'each rank names its own edges'() {
      for (let seed = 11; seed <= 16; seed++) {
        const edges = randomLists(seed, seed % 2 === 0).flat();
        const mine = adjacencyOf(edges, rank);
        const graph = await inEitherHabit(
          () => world.distGraphAdjacentSync(mine),
          () => world.distGraphAdjacent(mine),
        );
        assert.deepEqual(graph.weights, mine, `seed ${seed}`);
        await exchange(graph, edges, `seed ${seed}`);
        graph.free();
      }
    },
    async 'a duplicate has the same neighbours, and its attributes'() {
      const key = new AttributeKey<string>({ copy: (value) => `${value}, copied` });
      const graph = world.distGraphAdjacentSync({ sources: [previous], destinations: [next] });
      graph.attributes.set(key, 'a plan');
      const copy = graph.dupSync();
      assert.deepEqual(copy.weights, { sources: [previous], destinations: [next] });
      assert.equal(copy.attributes.get(key), 'a plan, copied');
      const got = Int32Array.of(-1);
      await copy.neighborAllgather(Int32Array.of(rank), got);
      assert.equal(got[0], previous);
      await talk(copy, 5);
      copy.free();
      graph.free();
    },
    async 'edges of which one end does not know are told to all, and the world goes on'() {
      if (size === 1) {
        const odd = { sources: [0], destinations: [] };
        throws('ERR_ARG', () => world.distGraphAdjacentSync(odd));
        return;
      }
      const none = { sources: [], destinations: [] };
      const odd = rank === 0 ? { sources: [], destinations: [1] } : none;
      const { message } = await rejects('ERR_ARG', world.distGraphAdjacent(odd));
      assert(message.includes('rank 0 names rank 1 as a destination once'), message);
      const from = (weight: number) =>
        rank === 0 ? { ...odd, sourceWeights: [], destinationWeights: [weight] } : none;
      const to = (weight: number) =>
        rank === 1
          ? { sources: [0], destinations: [], sourceWeights: [weight], destinationWeights: [] }
          : from(5);
      const { message: weights } = throws('ERR_ARG', () => world.distGraphAdjacentSync(to(6)));
      assert(weights.includes('with other weights'), weights);
      world.distGraphAdjacentSync(to(5)).free();
      const some = rank === 0 ? [{ from: 0, to: 1, weight: 2 }] : [{ from: 0, to: 1 }];
      throws('ERR_ARG', () => world.distGraphSync(some));
      const plain = rank === 1 ? { sources: [0], destinations: [] } : from(5);
      throws('ERR_ARG', () => world.distGraphAdjacentSync(plain));
      world.barrierSync();
    },
    async 'bad arguments are told before anything is sent'() {
      const bad = (value: unknown) => value as never;
      for (const one of [-2, size, 0.5, '0', null]) {
        throws('ERR_RANK', () =>
          world.distGraphAdjacentSync(bad({ sources: [one], destinations: [] })),
        );
        throws('ERR_RANK', () => world.distGraphSync(bad([{ from: one, to: 0 }])));
        throws('ERR_RANK', () => world.distGraphSync(bad([{ from: 0, to: one }])));
      }
      const ends = { sources: [0], destinations: [0] };
      for (const one of [
        null,
        {},
        { sources: [0] },
        { ...ends, sources: 0 },
        { ...ends, sourceWeights: [1] },
        { ...ends, sourceWeights: [1], destinationWeights: [1, 2] },
        { ...ends, sourceWeights: [1], destinationWeights: [-1] },
        { ...ends, sourceWeights: 1, destinationWeights: [1] },
      ])
        throws('ERR_ARG', () => world.distGraphAdjacentSync(bad(one)));
      const edge = { from: 0, to: 0 };
      for (const one of [null, edge, [{ ...edge, weight: 0.5 }], [edge, { ...edge, weight: 1 }]])
        throws('ERR_ARG', () => world.distGraphSync(bad(one)));
      throws('ERR_RANK', () => world.distGraphSync(bad([null])));
      throws('ERR_ARG', () => world.distGraphSync([], { reorder: bad(1) }));
      await rejects('ERR_RANK', world.distGraph(bad([7])));
      world.barrierSync();
    },
  },
});
