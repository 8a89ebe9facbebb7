/** From all ranks to one (MPI 4.1, 6.5). */
import { lengthOf, part, store } from '../../base/bytes.ts';
import type { Elements, Payload, Strided } from '../datatype/data.ts';
import { payloadOf } from '../datatype/data.ts';
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
  newElements,
} from './arguments.ts';
import { type Blocks, blocksOf, commonType, typeOfData } from './blocks.ts';
import { areShort, gatherAcross } from './blocks-across.ts';
import { copyPayload, wrapped } from './copy.ts';
import { lineGather } from './lines/data-movement.ts';
import { type Nodes, nodesOf } from './nodes.ts';
import { lowestBit } from './patterns.ts';
import type { Prepared } from './prepared.ts';
import { refuseInPlace, rootsOnly } from './refusals.ts';
import type { Schedule } from './schedule.ts';
import { choose, chooseLines, type Table } from './select.ts';
import { OWN_COUNT, type Signature } from './signature.ts';

export interface GatherCall {
  /** This rank's block; at the root null where it is in place. */
  readonly mine: Uint8Array | null;
  /** At the root alone: all blocks. */
  readonly all: Uint8Array | null;
  /** Bytes of a block. */
  readonly bytes: number;
  readonly root: number;
}

/** With fewer ranks, or longer blocks, the root had better receive from each: nothing is copied on the way. */
export const TREE_RANKS = 16;
export const TREE_BYTES = 1024;

/** Of longer blocks both ends had better copy a part: by messages. */
const LINES_BYTES = 512 * 1024;

export const GATHER: Table<GatherCall> = {
  operation: 'GATHER',
  lines: { best: ({ bytes }) => bytes <= LINES_BYTES, inCrowd: () => false, make: lineGather },
  algorithms: [
    {
      name: NODES,
      can: areSeveral,
      best: areShort,
      run: (endpoint, tag, call) => gatherAcross(endpoint, tag, nodesOf(endpoint) as Nodes, call),
    },
    {
      name: 'binomial',
      best: ({ ranks, bytes }) => ranks >= TREE_RANKS && bytes <= TREE_BYTES,
      run: binomial,
    },
    { name: 'linear', best: () => true, run: linear },
  ],
};

export function prepareGather<A extends Elements>(
  endpoint: Endpoint,
  send: A | InPlace,
  receive: A | null | undefined,
  root: number,
): Prepared<A | null> {
  const { rank, size } = endpoint;
  checkRoot(root, size);
  const call = rank === root ? atRoot(size, send, receive, root) : atOther(send, root);
  const { count, type, result } = call;
  const shape = { ranks: size, bytes: call.bytes, nodes: nodesOf(endpoint) };
  const { algorithm, number } = choose(GATHER, shape);
  const signature: Signature = { operation: 'gather', type, count, root, op: null };
  return {
    line: chooseLines(GATHER, shape, call, signature, () => result),
    signature,
    algorithm: number,
    memory: [call.mine, call.all].filter((memory) => memory !== null),
    *schedule(tag) {
      yield* algorithm.run(endpoint, tag, call);
      return result;
    },
  };
}

interface Whole<A> extends GatherCall {
  readonly count: number;
  readonly type: number;
  readonly result: A | null;
}

function atOther<A extends Elements>(send: A | InPlace, root: number): Whole<A> {
  if (send === IN_PLACE) throw rootsOnly('gather');
  const { bytes, type, count } = elementsOf('gather', 'what is sent', send);
  return { mine: bytes, all: null, bytes: lengthOf(bytes), root, count, type, result: null };
}

function atRoot<A extends Elements>(
  size: number,
  send: A | InPlace,
  receive: A | null | undefined,
  root: number,
): Whole<A> {
  if (send === IN_PLACE) {
    const all = elementsOf('gather', 'the array for the result', receive);
    const count = blockCount('gather', 'the array for the result', all, size);
    const bytes = lengthOf(all.bytes) / size;
    return { mine: null, all: all.bytes, bytes, root, count, type: all.type, result: receive as A };
  }
  const { bytes, type, count } = elementsOf('gather', 'what is sent', send);
  const result = receive ?? newElements('gather', send, count * size);
  const all = elementsOf('gather', 'the array for the result', result);
  checkTypes('gather', { bytes, type, count }, all);
  checkBlocks('gather', 'the array for the result', all, count, size);
  const inPlace = isSame(bytes, blockOf(all.bytes, root, lengthOf(bytes)));
  if (!inPlace) checkApart('gather', bytes, all.bytes);
  const mine = inPlace ? null : bytes;
  return { mine, all: all.bytes, bytes: lengthOf(bytes), root, count, type, result };
}

/** Each sends its block to the root, which receives it where it belongs. */
export function* linear(endpoint: Endpoint, tag: number, call: GatherCall): Schedule<void> {
  const { rank, size } = endpoint;
  const { mine, all, bytes, root } = call;
  if (all === null) {
    yield [sendOwn(endpoint, mine as Uint8Array, root, tag)];
    return;
  }
  const receives: Request[] = [];
  for (let step = 1; step < size; step++) {
    const from = (rank + step) % size;
    receives.push(receiveOwn(endpoint, blockOf(all, from, bytes), from, tag));
  }
  if (mine !== null) store(all, mine, root * bytes);
  yield receives;
}

/** Up a binomial tree: each passes on the blocks of its subtree, so that the root receives log2(p) messages. */
function* binomial(endpoint: Endpoint, tag: number, call: GatherCall): Schedule<void> {
  const { rank, size } = endpoint;
  const { mine, all, bytes, root } = call;
  const place = (rank - root + size) % size;
  const reach = lowestBit(place, size);
  const end = Math.min(place + reach, size);
  const own = (end - place) * bytes;
  // The subtree's blocks, from this rank's on; at the root where they belong.
  const blocks = all ?? (end - place === 1 ? (mine as Uint8Array) : new Uint8Array(own));
  const at = (child: number, its: number): Payload =>
    all === null
      ? part(blocks, (child - place) * bytes, (child - place + its) * bytes)
      : wrapped(all, ((child + root) % size) * bytes, its * bytes);
  if (mine !== null && blocks !== mine) store(blocks, mine, all === null ? 0 : root * bytes);
  const receives: Request[] = [];
  for (let bit = 1; bit < reach && place + bit < size; bit *= 2) {
    const child = place + bit;
    const its = Math.min(bit, size - child);
    receives.push(receiveOwn(endpoint, at(child, its), (child + root) % size, tag));
  }
  yield receives;
  if (place !== 0) yield [sendOwn(endpoint, blocks, (place - reach + root) % size, tag)];
}

/** Blocks of any length: the root alone knows all lengths, so each sends to it. */
export function prepareGatherv<A extends Elements>(
  endpoint: Endpoint,
  send: A | Strided<A> | InPlace,
  receive: Blocks<A> | null | undefined,
  root: number,
): Prepared<Blocks<A> | null> {
  const { rank, size } = endpoint;
  checkRoot(root, size);
  const isRoot = rank === root;
  if (send === IN_PLACE && !isRoot) throw rootsOnly('gatherv');
  const mine = send === IN_PLACE ? null : payloadOf(send, 0);
  const list = isRoot ? blocksOf('gatherv', 'receive', receive as Blocks<A>, size) : null;
  if (list !== null && mine !== null) refuseInPlace('gatherv', mine, list.payloads, rank);
  const type = mine === null ? commonType(list as never) : typeOfData(send);
  return {
    signature: { operation: 'gatherv', type, count: OWN_COUNT, root, op: null },
    algorithm: 0,
    memory: [...(list?.payloads ?? []), ...(mine === null ? [] : [mine])],
    *schedule(tag) {
      if (list === null) {
        yield [sendOwn(endpoint, mine as Payload, root, tag)];
        return null;
      }
      const receives: Request[] = [];
      for (let step = 1; step < size; step++) {
        const from = (rank + step) % size;
        receives.push(receiveOwn(endpoint, list.payloads[from], from, tag));
      }
      if (mine !== null) copyPayload(mine, list.payloads[rank]);
      yield receives;
      return receive as Blocks<A>;
    },
  };
}
