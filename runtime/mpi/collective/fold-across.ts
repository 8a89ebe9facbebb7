/** Reductions of ranks on several nodes: slices of the elements go from node to node, in the order of the ranks. */
import { store } from '../../base/bytes.ts';
import type { Endpoint } from '../point-to-point/endpoint.ts';
import type { Request } from '../point-to-point/request.ts';
import { receiveOwn, sendOwn } from '../point-to-point/sendrecv.ts';
import type { Nodes } from './nodes.ts';
import { bcastAmong } from './patterns.ts';
import {
  type Combining,
  type Reduction,
  type ReductionShape,
  type Slice,
  scratchOf,
  sliceOf,
  slicesOf,
} from './reduction.ts';
import type { Schedule } from './schedule.ts';

/** Whether a reduction across nodes has the bits of the ranks' order. */
export function mayFoldAcross({ nodes, divisible, pairwise, exact }: ReductionShape): boolean {
  return nodes !== undefined && divisible && pairwise && (nodes.ordered || exact);
}

/** A rank's slice of what all ranks give, folded; the last node has it. */
export interface FoldedSlice {
  /** By place in the node. */
  readonly slices: readonly Slice[];
  /** This rank's; null where it has none. */
  readonly bytes: Uint8Array | null;
}

/**
 * Within a node the rank of a place gets that slice of all. It folds them onto what the node before has, and passes that on: so
 * the order is that of the ranks.
 */
export function* foldAcross(
  endpoint: Endpoint,
  tag: number,
  reduction: Reduction,
  nodes: Nodes,
  combining: Combining,
): Schedule<FoldedSlice> {
  const { groups, mine, place } = nodes;
  const { kernel, count, send, given } = reduction;
  const width = kernel.kind.bytes;
  const group = groups[mine];
  const slices = slicesOf(count, kernel.unit, Math.min(...groups.map(({ length }) => length)));
  const own = place < slices.length ? slices[place] : null;
  const requests = group
    .slice(0, slices.length)
    .flatMap((mate, at) =>
      at === place ? [] : [sendOwn(endpoint, sliceOf(given, slices[at], width), mate, tag)],
    );
  if (own === null) {
    yield requests;
    return { slices, bytes: null };
  }
  const room = scratchOf(kernel, own.count * (group.length + 1));
  const roomOf = (at: number) =>
    sliceOf(room.bytes, { at: at * own.count, count: own.count }, width);
  for (const [at, mate] of group.entries())
    if (at !== place) requests.push(receiveOwn(endpoint, roomOf(at + 1), mate, tag));
  if (mine > 0) requests.push(receiveOwn(endpoint, roomOf(0), groups[mine - 1][place], tag));
  yield requests;
  const sources = group.map((_, at) => (at === place ? send : room.array));
  const places = group.map((_, at) => (at === place ? own.at : (at + 1) * own.count));
  if (mine > 0) {
    sources.unshift(room.array);
    places.unshift(0);
  }
  const isLast = mine === groups.length - 1;
  combining.do(() => {
    kernel.fold(room.array, 0, sources, places, own.count);
    if (isLast) kernel.finish(room.array, 0, own.count, endpoint.size);
  });
  if (!isLast) yield [sendOwn(endpoint, roomOf(0), groups[mine + 1][place], tag)];
  return { slices, bytes: roomOf(0) };
}

/** All ranks get the slices that the last node has. */
export function* spreadSlices(
  endpoint: Endpoint,
  tag: number,
  nodes: Nodes,
  { slices, bytes }: FoldedSlice,
  taken: Uint8Array,
  width: number,
): Schedule<void> {
  const { groups, mine, place } = nodes;
  const group = groups[mine];
  const partOf = (at: number) => sliceOf(taken, slices[at], width);
  if (bytes !== null) {
    const nodeAt = (step: number) => groups.length - 1 - step;
    const rankAt = (step: number) => groups[nodeAt(step)][place];
    yield* bcastAmong(endpoint, tag, bytes, nodeAt(mine), groups.length, rankAt);
    store(partOf(place), bytes);
  }
  const requests: Request[] = [];
  for (const at of slices.keys())
    if (at !== place) requests.push(receiveOwn(endpoint, partOf(at), group[at], tag));
  if (bytes !== null)
    for (const [at, mate] of group.entries())
      if (at !== place) requests.push(sendOwn(endpoint, bytes, mate, tag));
  yield requests;
}

/** The root gets the slices that the last node has. @param taken at the root alone */
export function* collectSlices(
  endpoint: Endpoint,
  tag: number,
  { groups, mine, place }: Nodes,
  { slices, bytes }: FoldedSlice,
  root: number,
  taken: Uint8Array | null,
  width: number,
): Schedule<void> {
  const last = groups.length - 1;
  const requests: Request[] = [];
  for (const at of slices.keys()) {
    const from = groups[last][at];
    const isMine = mine === last && place === at;
    if (taken !== null && isMine) store(sliceOf(taken, slices[at], width), bytes as Uint8Array);
    else if (taken !== null)
      requests.push(receiveOwn(endpoint, sliceOf(taken, slices[at], width), from, tag));
    else if (isMine) requests.push(sendOwn(endpoint, bytes as Uint8Array, root, tag));
  }
  yield requests;
}
