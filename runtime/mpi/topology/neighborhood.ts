/** Who exchanges what with whom in a neighbourhood collective operation (MPI 4.1, 8.6), and the exchange. */

import { copyPayload } from '../collective/copy.ts';
import type { Schedule } from '../collective/schedule.ts';
import { tagOfType } from '../collective/signature.ts';
import type { Payload } from '../datatype/data.ts';
import { sizeOf } from '../datatype/data.ts';
import type { Endpoint } from '../point-to-point/endpoint.ts';
import type { Request } from '../point-to-point/request.ts';
import { receiveOwn, sendOwn } from '../point-to-point/sendrecv.ts';

/** The ranks beside this one, in the order of their blocks; a rank may be there several times. PROC_NULL is nobody. */
export interface Neighborhood {
  readonly sources: readonly number[];
  readonly destinations: readonly number[];
  /**
   * The places of the sources in the order in which each of them sends: the k-th block that a rank sends to another is the k-th
   * one from it in this order.
   */
  readonly order: readonly number[];
}

/** Blocks, one for each neighbour. */
export interface NeighborBlocks {
  readonly payloads: readonly Payload[];
  /** Of the elements of each; null: all are of one type, which the call's tag has. */
  readonly types: readonly number[] | null;
}

interface Part {
  readonly peer: number;
  readonly payload: Payload;
  /** Tells the block apart from others of the same two ranks. */
  readonly mark: number;
}

/** An exchange that is settled: it may be run again and again. */
export interface Exchange {
  readonly sends: readonly Part[];
  readonly receives: readonly Part[];
  /** Of this rank to itself. */
  readonly copies: readonly { readonly from: Part; readonly to: Part }[];
}

/** More types than there are. */
const TYPES_BOUND = 16;

export function exchangeOf(
  rank: number,
  { sources, destinations, order }: Neighborhood,
  send: NeighborBlocks,
  receive: NeighborBlocks,
): Exchange {
  const outgoing = partsOf(destinations, [...destinations.keys()], send);
  const incoming = partsOf(sources, order, receive);
  const isOwn = ({ peer }: Part) => peer === rank;
  const isOthers = ({ peer }: Part) => peer !== rank;
  const own = incoming.filter(isOwn);
  return {
    sends: outgoing.filter(isOthers),
    receives: incoming.filter(isOthers),
    copies: outgoing.filter(isOwn).map((from, i) => ({ from, to: own[i] })),
  };
}

/** Those of neighbours that there are, in the order of their messages. */
function partsOf(
  ranks: readonly number[],
  order: readonly number[],
  { payloads, types }: NeighborBlocks,
): Part[] {
  const met = new Map<number, number>();
  return order
    .filter((i) => ranks[i] >= 0)
    .map((i) => {
      const peer = ranks[i];
      const before = met.get(peer) ?? 0;
      met.set(peer, before + 1);
      const payload = payloads[i];
      // An empty block has no type.
      const type = types === null || sizeOf(payload) === 0 ? 0 : types[i];
      return { peer, payload, mark: types === null ? 0 : type + before * TYPES_BOUND };
    });
}

/** All blocks at once: there is room for each, and a neighbour's comes whenever it comes. */
export function* runExchange(
  endpoint: Endpoint,
  tag: number,
  { sends, receives, copies }: Exchange,
): Schedule<void> {
  const requests: Request[] = [];
  for (const { peer, payload, mark } of receives)
    requests.push(receiveOwn(endpoint, payload, peer, tagOfType(tag, mark)));
  for (const { peer, payload, mark } of sends)
    requests.push(sendOwn(endpoint, payload, peer, tagOfType(tag, mark)));
  for (const { from, to } of copies) copyPayload(from.payload, to.payload);
  if (requests.length > 0) yield requests;
}
