/** Blocks from all ranks to all (MPI 4.1, 6.7). */
import { lengthOf, store } from '../../base/bytes.ts';
import type { Elements, Payload, Strided } from '../datatype/data.ts';
import { payloadOf, sizeOf } from '../datatype/data.ts';
import type { Endpoint } from '../point-to-point/endpoint.ts';
import type { Request } from '../point-to-point/request.ts';
import { exchange, receiveOwn, sendOwn } from '../point-to-point/sendrecv.ts';
import { allgatherAcross, areSeveral, areShared, NODES } from './across-nodes.ts';
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
import { type Blocks, blocksOf, commonType, totalBytes, typeOfData } from './blocks.ts';
import { copyPayload, wrapped } from './copy.ts';
import { lineAllgather } from './lines/data-movement.ts';
import { type Nodes, nodesOf } from './nodes.ts';
import type { Prepared } from './prepared.ts';
import { refuseInPlace } from './refusals.ts';
import type { Schedule } from './schedule.ts';
import { choose, chooseLines, type Table } from './select.ts';
import { NO_ROOT, OWN_COUNT, type Signature, widthOf } from './signature.ts';

export interface AllgatherCall {
  /** All blocks, side by side. */
  readonly all: Uint8Array;
  /** This rank's; null where it is in place. */
  readonly mine: Uint8Array | null;
  /** Bytes of a block. */
  readonly bytes: number;
}

/** Beyond so many bytes of all ranks the blocks had better go round: each round moves one, and no rank waits for a long one. */
const ROUND_BYTES = 64 * 1024;

export const ALLGATHER: Table<AllgatherCall> = {
  operation: 'ALLGATHER',
  lines: { make: lineAllgather },
  algorithms: [
    {
      name: NODES,
      can: areSeveral,
      best: areShared,
      run: (endpoint, tag, call) =>
        allgatherAcross(endpoint, tag, nodesOf(endpoint) as Nodes, call),
    },
    {
      name: 'ring',
      best: ({ ranks, bytes }) => ranks > 2 && ranks * bytes > ROUND_BYTES,
      run: ring,
    },
    { name: 'bruck', best: () => true, run: bruck },
  ],
};

export function prepareAllgather<A extends Elements>(
  endpoint: Endpoint,
  send: A | InPlace,
  receive: A | undefined,
): Prepared<A> {
  const { rank, size } = endpoint;
  const { mine, all, bytes, count, type, result } = memoryOf(endpoint, send, receive);
  const inPlace = mine === null || isSame(mine, blockOf(all, rank, bytes));
  if (!inPlace) checkApart('allgather', mine, all);
  const shape = { ranks: size, bytes, nodes: nodesOf(endpoint) };
  const { algorithm, number } = choose(ALLGATHER, shape);
  const call = { all, mine: inPlace ? null : mine, bytes };
  const signature: Signature = { operation: 'allgather', type, count, root: NO_ROOT, op: null };
  return {
    line: chooseLines(ALLGATHER, shape, call, signature, () => result),
    signature,
    algorithm: number,
    memory: mine === null ? [all] : [all, mine],
    *schedule(tag) {
      yield* algorithm.run(endpoint, tag, call);
      return result;
    },
  };
}

interface Whole<A> extends AllgatherCall {
  readonly count: number;
  readonly type: number;
  readonly result: A;
}

function memoryOf<A extends Elements>(
  { size }: Endpoint,
  send: A | InPlace,
  receive: A | undefined,
): Whole<A> {
  if (send === IN_PLACE) {
    const { bytes: all, type, ...whole } = elementsOf('allgather', RESULT, receive);
    const count = blockCount('allgather', RESULT, { bytes: all, type, ...whole }, size);
    return { all, mine: null, bytes: count * widthOf(type), count, type, result: receive as A };
  }
  const mine = elementsOf('allgather', 'what is sent', send);
  const result = receive ?? newElements('allgather', send, mine.count * size);
  const all = elementsOf('allgather', RESULT, result);
  checkTypes('allgather', mine, all);
  checkBlocks('allgather', RESULT, all, mine.count, size);
  const bytes = lengthOf(mine.bytes);
  return { all: all.bytes, mine: mine.bytes, bytes, count: mine.count, type: mine.type, result };
}

const RESULT = 'the array for the result';

/**
 * In round k every rank passes what it has, at most 2^k blocks, to the one 2^k before it (Bruck); log2(p) rounds with any
 * number of ranks. The blocks stand where they belong from the first round on: those of a round may lie in two runs.
 */
function* bruck(
  endpoint: Endpoint,
  tag: number,
  { all, mine, bytes }: AllgatherCall,
): Schedule<void> {
  const { rank, size } = endpoint;
  if (mine !== null) store(all, mine, rank * bytes);
  for (let have = 1; have < size; have *= 2) {
    const count = Math.min(have, size - have);
    const from = (rank + have) % size;
    const outgoing = wrapped(all, rank * bytes, count * bytes);
    const incoming = wrapped(all, from * bytes, count * bytes);
    yield exchange(endpoint, outgoing, (rank - have + size) % size, incoming, from, tag);
  }
}

/** Each block goes round all ranks. */
function* ring(
  endpoint: Endpoint,
  tag: number,
  { all, mine, bytes }: AllgatherCall,
): Schedule<void> {
  const { rank, size } = endpoint;
  if (mine !== null) store(all, mine, rank * bytes);
  const blocks = Array.from({ length: size }, (_, at) => blockOf(all, at, bytes));
  yield* goRound(endpoint, tag, blocks);
}

function* goRound(endpoint: Endpoint, tag: number, blocks: readonly Payload[]): Schedule<void> {
  const { rank, size } = endpoint;
  const next = (rank + 1) % size;
  const previous = (rank - 1 + size) % size;
  for (let step = 0; step < size - 1; step++) {
    const given = blocks[(rank - step + size) % size];
    const taken = blocks[(rank - step - 1 + size) % size];
    yield exchange(endpoint, given, next, taken, previous, tag);
  }
}

export const ALLGATHERV: Table<readonly Payload[]> = {
  operation: 'ALLGATHERV',
  algorithms: [
    {
      name: 'ring',
      best: ({ bytes }) => bytes > ROUND_BYTES,
      run: goRound,
    },
    { name: 'direct', best: () => true, run: direct },
  ],
};

/** Every rank sends its block to all others at once. */
function* direct(endpoint: Endpoint, tag: number, blocks: readonly Payload[]): Schedule<void> {
  const { rank, size } = endpoint;
  const requests: Request[] = [];
  for (let step = 1; step < size; step++) {
    const from = (rank - step + size) % size;
    requests.push(receiveOwn(endpoint, blocks[from], from, tag));
  }
  for (let step = 1; step < size; step++)
    requests.push(sendOwn(endpoint, blocks[rank], (rank + step) % size, tag));
  yield requests;
}

/** Where all ranks say what they receive; or none does, and the lengths are exchanged first. */
export function prepareAllgatherv<A extends Elements>(
  endpoint: Endpoint,
  send: A | Strided<A> | InPlace,
  receive: Blocks<A> | undefined,
): Prepared<Blocks<A>> {
  if (receive === undefined) return unknownLengths(endpoint, send);
  const { rank, size } = endpoint;
  const mine = send === IN_PLACE ? null : payloadOf(send, 0);
  const list = blocksOf('allgatherv', 'receive', receive, size);
  if (mine !== null) refuseInPlace('allgatherv', mine, list.payloads, rank);
  const type = commonType(list);
  const bytes = totalBytes(list);
  const count = type < 0 ? OWN_COUNT : bytes / widthOf(type);
  const { algorithm, number } = choose(ALLGATHERV, { ranks: size, bytes });
  return {
    signature: { operation: 'allgatherv', type, count, root: NO_ROOT, op: null },
    algorithm: number,
    memory: mine === null ? list.payloads : [...list.payloads, mine],
    *schedule(tag) {
      if (mine !== null) copyPayload(mine, list.payloads[rank]);
      yield* algorithm.run(endpoint, tag, list.payloads);
      return receive;
    },
  };
}

function unknownLengths<A extends Elements>(
  endpoint: Endpoint,
  send: A | Strided<A> | InPlace,
): Prepared<Blocks<A>> {
  const { rank, size } = endpoint;
  if (send === IN_PLACE) elementsOf('allgatherv', 'what is sent without a result', send);
  const mine = payloadOf(send as A, 0);
  const type = typeOfData(send);
  const like = ('data' in (send as Strided<A>) ? (send as Strided<A>).data : send) as A;
  return {
    signature: {
      operation: 'allgatherv',
      type,
      count: OWN_COUNT,
      root: NO_ROOT,
      op: 'the result left out',
    },
    algorithm: 0,
    memory: [mine],
    *schedule(tag) {
      const counts = Float64Array.of(sizeOf(mine) / widthOf(type));
      const all = yield* allgatherNumbers(endpoint, tag, counts);
      const blocks = Array.from(all, (count) => newElements('allgatherv', like, count));
      const { payloads } = blocksOf('allgatherv', 'receive', blocks, size);
      copyPayload(mine, payloads[rank]);
      const bytes = payloads.reduce((sum, block) => sum + sizeOf(block), 0);
      yield* choose(ALLGATHERV, { ranks: size, bytes }).algorithm.run(endpoint, tag, payloads);
      return blocks;
    },
  };
}

/** The library's own: bytes of one length. @returns the blocks in the order of the ranks */
export function* allgather(
  endpoint: Endpoint,
  tag: number,
  mine: Uint8Array,
): Schedule<Uint8Array> {
  const all = new Uint8Array(mine.length * endpoint.size);
  yield* bruck(endpoint, tag, { all, mine, bytes: mine.length });
  return all;
}

/** The same of a few numbers. */
export function* allgatherNumbers(
  endpoint: Endpoint,
  tag: number,
  mine: Float64Array,
): Schedule<Float64Array> {
  const bytes = yield* allgather(endpoint, tag, new Uint8Array(mine.buffer));
  return new Float64Array(bytes.buffer);
}
