/** From one rank to all, each its own block (MPI 4.1, 6.6). */
import { lengthOf, part, store } from '../../base/bytes.ts';
import { type Elements, type Payload, roomOf, type Strided } from '../datatype/data.ts';
import type { Endpoint } from '../point-to-point/endpoint.ts';
import type { Request } from '../point-to-point/request.ts';
import { receiveOwn, sendOwn } from '../point-to-point/sendrecv.ts';
import { areSeveral, NODES } from './across-nodes.ts';
import {
  blockCount,
  blockOf,
  checkApart,
  checkBlocks,
  checkRoot,
  checkTypes,
  elementsOf,
  IN_PLACE,
  type InPlace,
  isSame,
} from './arguments.ts';
import { type Blocks, blocksOf, commonType, typeOfData } from './blocks.ts';
import { areShort, scatterAcross } from './blocks-across.ts';
import { copyPayload, wrapped } from './copy.ts';
import { TREE_BYTES, TREE_RANKS } from './gather.ts';
import { lineScatter } from './lines/data-movement.ts';
import { type Nodes, nodesOf } from './nodes.ts';
import { lowestBit } from './patterns.ts';
import type { Prepared } from './prepared.ts';
import { refuseInPlace, rootsOnly } from './refusals.ts';
import type { Schedule } from './schedule.ts';
import { choose, chooseLines, type Table } from './select.ts';
import { OWN_COUNT, type Signature } from './signature.ts';

export interface ScatterCall {
  /** At the root alone: all blocks. */
  readonly all: Uint8Array | null;
  /** For this rank's block; at the root null where it stays where it is. */
  readonly mine: Uint8Array | null;
  /** Bytes of a block. */
  readonly bytes: number;
  readonly root: number;
}

export const SCATTER: Table<ScatterCall> = {
  operation: 'SCATTER',
  lines: {
    inCrowd: () => false,
    make: lineScatter,
  },
  algorithms: [
    {
      name: NODES,
      can: areSeveral,
      best: areShort,
      run: (endpoint, tag, call) => scatterAcross(endpoint, tag, nodesOf(endpoint) as Nodes, call),
    },
    {
      name: 'binomial',
      best: ({ ranks, bytes }) => ranks >= TREE_RANKS && bytes <= TREE_BYTES,
      run: binomial,
    },
    { name: 'linear', best: () => true, run: linear },
  ],
};

export function prepareScatter<A extends Elements>(
  endpoint: Endpoint,
  send: A | null,
  receive: A | InPlace,
  root: number,
): Prepared<A> {
  const { rank, size } = endpoint;
  checkRoot(root, size);
  const call = rank === root ? atRoot(size, send, receive, root) : atOther(receive, root);
  const { count, type, result } = call;
  const shape = { ranks: size, bytes: call.bytes, nodes: nodesOf(endpoint) };
  const { algorithm, number } = choose(SCATTER, shape);
  const signature: Signature = { operation: 'scatter', type, count, root, op: null };
  return {
    line: chooseLines(SCATTER, shape, call, signature, () => result),
    signature,
    algorithm: number,
    memory: [call.mine, call.all].filter((memory) => memory !== null),
    *schedule(tag) {
      yield* algorithm.run(endpoint, tag, call);
      return result;
    },
  };
}

interface Whole<A> extends ScatterCall {
  readonly count: number;
  readonly type: number;
  readonly result: A;
}

function atOther<A extends Elements>(receive: A | InPlace, root: number): Whole<A> {
  if (receive === IN_PLACE) throw rootsOnly('scatter');
  const { bytes, type, count } = elementsOf('scatter', 'the array for the result', receive);
  return { mine: bytes, all: null, bytes: lengthOf(bytes), root, count, type, result: receive };
}

function atRoot<A extends Elements>(
  size: number,
  send: A | null,
  receive: A | InPlace,
  root: number,
): Whole<A> {
  const all = elementsOf('scatter', 'what is sent', send);
  const count = blockCount('scatter', 'what is sent', all, size);
  const { type } = all;
  const bytes = lengthOf(all.bytes) / size;
  const own = blockOf(all.bytes, root, bytes);
  if (receive === IN_PLACE) {
    const result = (send as A).subarray(root * count, (root + 1) * count) as A;
    return { all: all.bytes, mine: null, bytes, root, count, type, result };
  }
  const mine = elementsOf('scatter', 'the array for the result', receive);
  checkTypes('scatter', all, mine);
  checkBlocks('scatter', 'the array for the result', mine, count, 1);
  const inPlace = isSame(own, mine.bytes);
  if (!inPlace) checkApart('scatter', all.bytes, mine.bytes);
  const to = inPlace ? null : mine.bytes;
  return { all: all.bytes, mine: to, bytes, root, count, type, result: receive };
}

/** The root sends each rank its block. */
function* linear(endpoint: Endpoint, tag: number, call: ScatterCall): Schedule<void> {
  const { rank, size } = endpoint;
  const { mine, all, bytes, root } = call;
  if (all === null) {
    yield [receiveOwn(endpoint, mine as Uint8Array, root, tag)];
    return;
  }
  const sends: Request[] = [];
  for (let step = 1; step < size; step++) {
    const to = (rank + step) % size;
    sends.push(sendOwn(endpoint, blockOf(all, to, bytes), to, tag));
  }
  if (mine !== null) store(mine, blockOf(all, root, bytes));
  yield sends;
}

/** Down a binomial tree: each receives the blocks of its subtree, and passes on all but its own. */
function* binomial(endpoint: Endpoint, tag: number, call: ScatterCall): Schedule<void> {
  const { rank, size } = endpoint;
  const { mine, all, bytes, root } = call;
  const place = (rank - root + size) % size;
  const reach = lowestBit(place, size);
  const end = Math.min(place + reach, size);
  const alone = all === null && end - place === 1;
  const blocks = all ?? (alone ? (mine as Uint8Array) : new Uint8Array((end - place) * bytes));
  const at = (child: number, its: number): Payload =>
    all === null
      ? part(blocks, (child - place) * bytes, (child - place + its) * bytes)
      : wrapped(all, ((child + root) % size) * bytes, its * bytes);
  if (all === null) yield [receiveOwn(endpoint, blocks, (place - reach + root) % size, tag)];
  const sends: Request[] = [];
  for (let bit = reach / 2; bit >= 1; bit /= 2) {
    const child = place + bit;
    if (child >= size) continue;
    const its = Math.min(bit, size - child);
    sends.push(sendOwn(endpoint, at(child, its), (child + root) % size, tag));
  }
  if (mine !== null && !alone) copyPayload(at(place, 1), mine);
  yield sends;
}

/** Blocks of any length: the root alone knows all lengths. */
export function prepareScatterv<A extends Elements>(
  endpoint: Endpoint,
  send: Blocks<A> | null,
  receive: A | Strided<A> | InPlace,
  root: number,
): Prepared<A | Strided<A>> {
  const { rank, size } = endpoint;
  checkRoot(root, size);
  const isRoot = rank === root;
  if (receive === IN_PLACE && !isRoot) throw rootsOnly('scatterv');
  const mine = receive === IN_PLACE ? null : roomOf(receive, 0);
  const list = isRoot ? blocksOf('scatterv', 'send', send as Blocks<A>, size) : null;
  if (list !== null && mine !== null) refuseInPlace('scatterv', mine, list.payloads, rank);
  const type = mine === null ? commonType(list as never) : typeOfData(receive);
  return {
    signature: { operation: 'scatterv', type, count: OWN_COUNT, root, op: null },
    algorithm: 0,
    memory: [...(list?.payloads ?? []), ...(mine === null ? [] : [mine])],
    *schedule(tag) {
      if (list === null) {
        yield [receiveOwn(endpoint, mine as Payload, root, tag)];
      } else {
        const sends: Request[] = [];
        for (let step = 1; step < size; step++) {
          const to = (rank + step) % size;
          sends.push(sendOwn(endpoint, list.payloads[to], to, tag));
        }
        if (mine !== null) copyPayload(list.payloads[rank], mine);
        yield sends;
      }
      return receive === IN_PLACE ? ownBlock(send as Blocks<A>, rank) : receive;
    },
  };
}

/** The root's, in place. */
function ownBlock<A extends Elements>(blocks: Blocks<A>, rank: number): A | Strided<A> {
  if (!('counts' in blocks)) return blocks[rank] as A | Strided<A>;
  const { data, counts, displs } = blocks;
  let at = displs?.[rank] ?? 0;
  if (displs === undefined) for (let before = 0; before < rank; before++) at += counts[before];
  return data.subarray(at, at + counts[rank]) as A;
}
