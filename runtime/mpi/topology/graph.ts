/** The edges of graphs of neighbours (MPI 4.1, 8.5.4), as a program passes them. */
import { inWords } from '../../base/bytes.ts';
import { MpiError } from '../../base/error.ts';
import { checkList } from '../datatype/checks.ts';
import type { Neighborhood } from './neighborhood.ts';

/** A rank's edges: those that come to it, and those that go from it. Ranks may be there several times, this one too. */
export interface Adjacency {
  /** The ranks that this one receives from. */
  readonly sources: readonly number[];
  /** The ranks that this one sends to. */
  readonly destinations: readonly number[];
  /** How much comes from each source, whole numbers from 0 on; left out where edges have no weights. */
  readonly sourceWeights?: readonly number[];
  /** How much goes to each destination, as `sourceWeights`; both are there, or none. */
  readonly destinationWeights?: readonly number[];
}

/** An edge that any rank may name. */
export interface Edge {
  /** The rank that sends. */
  readonly from: number;
  /** The rank that receives. */
  readonly to: number;
  /** How much, a whole number from 0 on; all edges have a weight, or none. */
  readonly weight?: number;
}

export function neighborhoodOf({ sources, destinations }: Adjacency): Neighborhood {
  return { sources, destinations, order: [...sources.keys()] };
}

/** A copy that the program cannot change. @throws MpiError ERR_ARG, ERR_RANK */
export function checkAdjacency(neighbors: Adjacency, size: number): Adjacency {
  const operation = 'distGraphAdjacent';
  if (typeof neighbors !== 'object' || neighbors === null)
    throw new MpiError(
      'ERR_ARG',
      `${operation}: the neighbours are ${inWords(neighbors)}: pass { sources, destinations }`,
    );
  const { sources, destinations, sourceWeights, destinationWeights } = neighbors;
  if ((sourceWeights === undefined) !== (destinationWeights === undefined))
    throw new MpiError(
      'ERR_ARG',
      `${operation}: pass both sourceWeights and destinationWeights, or none of them`,
    );
  const ranks = (what: string, list: readonly number[]) => {
    checkList(list, `${operation}: the ${what}`);
    for (const rank of Array.from(list)) checkRank(operation, rank, size);
    return Object.freeze(Array.from(list));
  };
  const weights = (what: string, list: readonly number[], { length }: readonly number[]) => {
    checkList(list, `${operation}: the ${what}`);
    if (list.length !== length)
      throw new MpiError(
        'ERR_ARG',
        `${operation}: there are ${list.length} ${what} for ${length} edges`,
      );
    for (const weight of Array.from(list)) checkWeight(operation, weight);
    return Object.freeze(Array.from(list));
  };
  const ends = {
    sources: ranks('sources', sources),
    destinations: ranks('destinations', destinations),
  };
  if (sourceWeights === undefined || destinationWeights === undefined) return Object.freeze(ends);
  return Object.freeze({
    ...ends,
    sourceWeights: weights('sourceWeights', sourceWeights, ends.sources),
    destinationWeights: weights('destinationWeights', destinationWeights, ends.destinations),
  });
}

function checkRank(operation: string, rank: unknown, size: number): void {
  if (Number.isInteger(rank) && (rank as number) >= 0 && (rank as number) < size) return;
  throw new MpiError(
    'ERR_RANK',
    `${operation}: ${inWords(rank)} is no rank of this communicator: it has the ranks 0 to ${size - 1}`,
  );
}

function checkWeight(operation: string, weight: unknown): void {
  if (Number.isSafeInteger(weight) && (weight as number) >= 0) return;
  throw new MpiError(
    'ERR_ARG',
    `${operation}: the weight ${inWords(weight)} is no whole number from 0 on`,
  );
}

/** Copies that the program cannot change. @throws MpiError ERR_ARG, ERR_RANK */
export function checkEdges(edges: readonly Edge[], size: number): readonly Edge[] {
  if (!Array.isArray(edges))
    throw new MpiError(
      'ERR_ARG',
      `distGraph: the edges are ${inWords(edges)}: pass an array of { from, to, weight }`,
    );
  const copies = edges.map((edge: unknown) => {
    const { from, to, weight } = Object(edge) as Edge;
    checkRank('distGraph', from, size);
    checkRank('distGraph', to, size);
    if (weight === undefined) return { from, to };
    checkWeight('distGraph', weight);
    return { from, to, weight };
  });
  if (copies.every(({ weight }) => (weight === undefined) === (copies[0].weight === undefined)))
    return copies;
  throw new MpiError(
    'ERR_ARG',
    'distGraph: some edges have a weight, and some have none: pass one with each, or with none',
  );
}
