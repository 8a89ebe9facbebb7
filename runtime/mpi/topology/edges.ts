/** What ranks tell each other of a graph's edges, before there is a communicator of it (MPI 4.1, 8.5.4). */
import { MpiError } from '../../base/error.ts';
import { allgatherNumbers } from '../collective/allgather.ts';
import { prepareAlltoall } from '../collective/alltoall.ts';
import { ALLTOALLV } from '../collective/alltoallv.ts';
import type { Schedule } from '../collective/schedule.ts';
import { choose } from '../collective/select.ts';
import type { Endpoint } from '../point-to-point/endpoint.ts';
import type { Adjacency, Edge } from './graph.ts';

/** Whether the edges that a rank names have weights: it cannot say where there are none. */
const NO_EDGES = 0;
const PLAIN = 1;
const WEIGHTED = 2;

/** @throws MpiError ERR_ARG where the edges of some ranks have weights, and those of others have none; at all ranks */
function checkKinds({ rank, members }: Endpoint, kinds: readonly number[]): void {
  const [weighted, plain] = [kinds.indexOf(WEIGHTED), kinds.indexOf(PLAIN)];
  if (weighted < 0 || plain < 0) return;
  throw new MpiError(
    'ERR_ARG',
    `the edges of a graph all have weights, or none has: rank ${weighted} passes weights, and rank ${plain} passes none`,
    { rank, peer: members.worldOf(kinds[rank] === WEIGHTED ? plain : weighted) },
  );
}

/** Numbers of an edge on its way to the ranks at its ends. */
const EDGE_NUMBERS = 3;
const NO_WEIGHT = -1;

/** Each rank gets the edges at which it is an end: in the order of the ranks that name them, and then of their lists. */
export function* dealOut(
  endpoint: Endpoint,
  tag: number,
  edges: readonly Edge[],
): Schedule<Adjacency> {
  const { rank, size } = endpoint;
  const ranks = Array.from({ length: size }, (_, one) => one);
  const send = ranks.map((one) =>
    Float64Array.from(
      edges
        .filter(({ from, to }) => from === one || to === one)
        .flatMap(({ from, to, weight = NO_WEIGHT }) => [from, to, weight]),
    ),
  );
  const kind = edges.length === 0 ? NO_EDGES : edges[0].weight === undefined ? PLAIN : WEIGHTED;
  const words = Float64Array.from(send.flatMap(({ length }) => [length, kind]));
  const said = yield* prepareAlltoall(endpoint, words, undefined).schedule(tag);
  checkKinds(
    endpoint,
    ranks.map((one) => said[2 * one + 1]),
  );
  const receive = ranks.map((one) => new Float64Array(said[2 * one]));
  const bytes = (lists: Float64Array[]) => lists.map(({ buffer }) => new Uint8Array(buffer));
  const tags = () => tag;
  const exchange = {
    send: bytes(send),
    receive: bytes(receive),
    sendTag: tags,
    receiveTag: tags,
  };
  const shape = { ranks: size, bytes: 0 };
  yield* choose(ALLTOALLV, shape).algorithm.run(endpoint, tag, () => exchange);
  return adjacencyOf(rank, receive);
}

function adjacencyOf(rank: number, lists: readonly Float64Array[]): Adjacency {
  const ends = { sources: [], destinations: [], sourceWeights: [], destinationWeights: [] };
  const { sources, destinations, sourceWeights, destinationWeights } = ends as {
    [Name in keyof typeof ends]: number[];
  };
  let weighted = false;
  for (const list of lists)
    for (let i = 0; i < list.length; i += EDGE_NUMBERS) {
      const [from, to, weight] = list.subarray(i, i + EDGE_NUMBERS);
      weighted = weight !== NO_WEIGHT;
      if (to === rank) {
        sources.push(from);
        sourceWeights.push(weight);
      }
      if (from === rank) {
        destinations.push(to);
        destinationWeights.push(weight);
      }
    }
  for (const list of Object.values(ends)) Object.freeze(list);
  return Object.freeze(weighted ? ends : { sources, destinations });
}

/** @throws MpiError ERR_ARG, at all ranks, where an edge is not the same at both of its ends */
export function* checkEnds(endpoint: Endpoint, tag: number, mine: Adjacency): Schedule<void> {
  const { rank, size } = endpoint;
  const ends = endsOf(rank, mine);
  const kind = ends.length === 0 ? NO_EDGES : mine.sourceWeights === undefined ? PLAIN : WEIGHTED;
  // Each edge counts once for its source and once against its destination: together they are nothing.
  const balance = ends.reduce((sum, { sign, digest }) => (sum + sign * digest) | 0, 0);
  const said = yield* allgatherNumbers(endpoint, tag, Float64Array.of(kind, balance));
  const all = Array.from({ length: size }, (_, one) => one);
  checkKinds(
    endpoint,
    all.map((one) => said[2 * one]),
  );
  if (all.reduce((sum, one) => (sum + said[2 * one + 1]) | 0, 0) !== 0)
    yield* findOdd(endpoint, tag, ends);
}

interface End {
  readonly peer: number;
  /** 1: the edge goes there; -1: it comes from there. */
  readonly sign: number;
  readonly digest: number;
}

function endsOf(
  rank: number,
  { sources, destinations, sourceWeights, destinationWeights }: Adjacency,
): End[] {
  return [
    ...destinations.map((peer, i) => {
      return { peer, sign: 1, digest: digestOf(rank, peer, destinationWeights?.[i]) };
    }),
    ...sources.map((peer, i) => {
      return { peer, sign: -1, digest: digestOf(peer, rank, sourceWeights?.[i]) };
    }),
  ];
}

/** 32 bits of an edge, of which sums say whether the same edges were summed up. */
function digestOf(from: number, to: number, weight = NO_WEIGHT): number {
  let digest = 0;
  for (const value of [from, to, weight % 2 ** 32, weight / 2 ** 32]) {
    // The finalizer of MurmurHash3 (Appleby, public domain).
    digest = Math.imul(digest ^ value ^ (digest >>> 16), 0x85ebca6b);
    digest = Math.imul(digest ^ (digest >>> 13), 0xc2b2ae35);
    digest ^= digest >>> 16;
  }
  return digest;
}

/** Tells all ranks which edge it is: every rank says of every other how many edges it has there, and which. */
function* findOdd(endpoint: Endpoint, tag: number, ends: readonly End[]): Schedule<void> {
  const { rank, size, members } = endpoint;
  // Of each rank: edges that go there, their digest, and the same of those that come from there.
  const row = new Float64Array(4 * size);
  for (const { peer, sign, digest } of ends) {
    const at = 4 * peer + (sign > 0 ? 0 : 2);
    row[at]++;
    row[at + 1] = (row[at + 1] + digest) | 0;
  }
  const rows = yield* allgatherNumbers(endpoint, tag, row);
  for (let from = 0; from < size; from++)
    for (let to = 0; to < size; to++) {
      const [sent, out] = rows.subarray(4 * (from * size + to));
      const [, , taken, into] = rows.subarray(4 * (to * size + from));
      if (sent === taken && out === into) continue;
      const what =
        sent === taken
          ? 'with other weights'
          : `${times(sent)}, and rank ${to} names rank ${from} as a source ${times(taken)}`;
      throw new MpiError(
        'ERR_ARG',
        `the two ends of an edge do not fit: rank ${from} names rank ${to} as a destination ${what}`,
        { rank, peer: members.worldOf(rank === from ? to : from) },
      );
    }
}

function times(count: number): string {
  return count === 1 ? 'once' : `${count === 0 ? 'no' : count} times`;
}
