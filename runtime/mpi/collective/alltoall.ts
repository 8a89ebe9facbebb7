/** From all ranks to all, to each its own block (MPI 4.1, 6.8). */
import { lengthOf, part, store } from '../../base/bytes.ts';
import { copyOf, type Elements, type Payload } from '../datatype/data.ts';
import type { Endpoint } from '../point-to-point/endpoint.ts';
import type { Request } from '../point-to-point/request.ts';
import { exchange, receiveOwn, sendOwn } from '../point-to-point/sendrecv.ts';
import { areSeveral, NODES } from './across-nodes.ts';
import {
  blockCount,
  blockOf,
  checkApart,
  checkBlocks,
  checkTypes,
  elementsOf,
  IN_PLACE,
  type InPlace,
  isSame,
  newElements,
} from './arguments.ts';
import { alltoallAcross, areShort } from './blocks-across.ts';
import { copyPayload } from './copy.ts';
import { lineAlltoall } from './lines/data-movement.ts';
import { type Nodes, nodesOf } from './nodes.ts';
import type { Prepared } from './prepared.ts';
import type { Schedule } from './schedule.ts';
import { choose, chooseLines, type Shape, type Table } from './select.ts';
import { NO_ROOT, type Signature } from './signature.ts';

export interface AlltoallCall {
  /** Blocks for each rank; null: they are exchanged in place. */
  readonly send: Uint8Array | null;
  /** Blocks of each rank. */
  readonly receive: Uint8Array;
  /** Bytes of a block. */
  readonly bytes: number;
}

/** Blocks so short, of so many ranks, had better travel together: log2(p) messages a rank in place of p - 1. */
const TOGETHER_BYTES = 128;
const TOGETHER_RANKS = 16;
/** With more bytes a rank exchanges with one other at a time: what waits unmatched has a limit. */
const AT_ONCE_BYTES = 32 * 1024;

export const ALLTOALL: Table<AlltoallCall> = {
  operation: 'ALLTOALL',
  lines: { make: lineAlltoall },
  algorithms: [
    {
      name: NODES,
      can: (shape) => areSeveral(shape) && isApart(shape),
      best: areShort,
      run: (endpoint, tag, call) => alltoallAcross(endpoint, tag, nodesOf(endpoint) as Nodes, call),
    },
    {
      name: 'bruck',
      best: ({ ranks, bytes }) => ranks >= TOGETHER_RANKS && bytes <= TOGETHER_BYTES,
      run: bruck,
    },
    { name: 'swap', can: isInPlace, best: () => true, run: (e, t, c) => listed(swap, e, t, c) },
    {
      name: 'spread',
      can: isApart,
      best: ({ bytes }) => bytes <= AT_ONCE_BYTES,
      run: (e, t, c) => listed(spread, e, t, c),
    },
    {
      name: 'pairwise',
      can: isApart,
      best: () => true,
      run: (e, t, c) => listed(pairwise, e, t, c),
    },
  ],
};

/** All ranks do it in place, or none (MPI 4.1, 6.8). */
export function isInPlace({ inPlace }: Shape): boolean {
  return inPlace === true;
}

export function isApart({ inPlace }: Shape): boolean {
  return inPlace !== true;
}

/** In the signature. */
export const DONE_IN_PLACE = 'in place';

export function prepareAlltoall<A extends Elements>(
  endpoint: Endpoint,
  send: A | InPlace,
  receive: A | undefined,
): Prepared<A> {
  const { size } = endpoint;
  const inPlace = send === IN_PLACE || send === receive;
  const like = (inPlace ? receive : send) as A;
  const all = elementsOf('alltoall', inPlace ? RESULT : 'what is sent', like);
  const count = blockCount('alltoall', inPlace ? RESULT : 'what is sent', all, size);
  const result = receive ?? newElements('alltoall', like, all.count);
  const into = elementsOf('alltoall', RESULT, result);
  checkTypes('alltoall', all, into);
  checkBlocks('alltoall', RESULT, into, count, size);
  const same = inPlace || isSame(all.bytes, into.bytes);
  if (!same) checkApart('alltoall', all.bytes, into.bytes);
  const bytes = lengthOf(all.bytes) / size;
  const shape = { ranks: size, bytes, inPlace: same, nodes: nodesOf(endpoint) };
  const { algorithm, number } = choose(ALLTOALL, shape);
  const op = same ? DONE_IN_PLACE : null;
  const call = { send: same ? null : all.bytes, receive: into.bytes, bytes };
  const { type } = all;
  const signature: Signature = { operation: 'alltoall', type, count, root: NO_ROOT, op };
  return {
    line: chooseLines(ALLTOALL, shape, call, signature, () => result),
    signature,
    algorithm: number,
    memory: [all.bytes, into.bytes],
    *schedule(tag) {
      yield* algorithm.run(endpoint, tag, call);
      return result;
    },
  };
}

const RESULT = 'the array for the result';

/** Blocks for each rank, and of each rank, and the tags of their messages. */
export interface Exchange {
  readonly send: readonly Payload[];
  readonly receive: readonly Payload[];
  sendTag(to: number): number;
  receiveTag(from: number): number;
}

export type ExchangeAlgorithm = (endpoint: Endpoint, exchange: Exchange) => Schedule<void>;

function* listed(
  run: ExchangeAlgorithm,
  endpoint: Endpoint,
  tag: number,
  { send, receive, bytes }: AlltoallCall,
): Schedule<void> {
  const blocks = (all: Uint8Array) =>
    Array.from({ length: endpoint.size }, (_, rank) => blockOf(all, rank, bytes));
  const tags = () => tag;
  const incoming = blocks(receive);
  const all = { send: send === null ? incoming : blocks(send), receive: incoming };
  yield* run(endpoint, { ...all, sendTag: tags, receiveTag: tags });
}

/** All blocks at once, to the ranks after this one first: so no rank is everybody's first. */
export function* spread(endpoint: Endpoint, its: Exchange): Schedule<void> {
  const { rank, size } = endpoint;
  const requests: Request[] = [];
  for (let step = 1; step < size; step++) {
    const from = (rank - step + size) % size;
    requests.push(receiveOwn(endpoint, its.receive[from], from, its.receiveTag(from)));
  }
  for (let step = 1; step < size; step++) {
    const to = (rank + step) % size;
    requests.push(sendOwn(endpoint, its.send[to], to, its.sendTag(to)));
  }
  copyPayload(its.send[rank], its.receive[rank]);
  yield requests;
}

/** A block to one rank and one of another, in each of p - 1 rounds. */
export function* pairwise(endpoint: Endpoint, its: Exchange): Schedule<void> {
  const { rank, size } = endpoint;
  copyPayload(its.send[rank], its.receive[rank]);
  for (let step = 1; step < size; step++) {
    const to = (rank + step) % size;
    const from = (rank - step + size) % size;
    const receive = receiveOwn(endpoint, its.receive[from], from, its.receiveTag(from));
    yield [receive, sendOwn(endpoint, its.send[to], to, its.sendTag(to))];
  }
}

/** In place: each pair swaps its two blocks, of which one is copied before. */
export function* swap(endpoint: Endpoint, its: Exchange): Schedule<void> {
  const { rank, size } = endpoint;
  for (let round = 0; round < size; round++) {
    // The pairs of a round: their numbers add up to the round's.
    const other = (round - rank + size) % size;
    if (other === rank) continue;
    const outgoing = copyOf(its.send[other]);
    const receive = receiveOwn(endpoint, its.receive[other], other, its.receiveTag(other));
    yield [receive, sendOwn(endpoint, outgoing, other, its.sendTag(other))];
  }
}

/** In round k the blocks travel together that have 2^k on their way to go (Bruck). */
function* bruck(
  endpoint: Endpoint,
  tag: number,
  { send, receive, bytes }: AlltoallCall,
): Schedule<void> {
  const { rank, size } = endpoint;
  // By how far each block has to go; block 0 stays here.
  const blocks = new Uint8Array(size * bytes);
  const from = send ?? receive;
  const first = rank * bytes;
  store(blocks, part(from, first, lengthOf(from)));
  store(blocks, part(from, 0, first), lengthOf(from) - first);
  const outgoing = new Uint8Array(Math.ceil(size / 2) * bytes);
  const incoming = new Uint8Array(outgoing.length);
  for (let far = 1; far < size; far *= 2) {
    const going: number[] = [];
    for (let block = 1; block < size; block++) if ((block & far) !== 0) going.push(block);
    for (const [i, block] of going.entries())
      store(outgoing, blockOf(blocks, block, bytes), i * bytes);
    const length = going.length * bytes;
    const give = part(outgoing, 0, length);
    const take = part(incoming, 0, length);
    yield exchange(endpoint, give, (rank + far) % size, take, (rank - far + size) % size, tag);
    for (const [i, block] of going.entries())
      store(blocks, blockOf(incoming, i, bytes), block * bytes);
  }
  for (let block = 0; block < size; block++)
    store(receive, blockOf(blocks, block, bytes), ((rank - block + size) % size) * bytes);
}
