/** Blocks of any length, and scatter, between two groups: each block goes straight to the rank that it is for. */
import { lengthOf } from '../../base/bytes.ts';
import { PROC_NULL, ROOT } from '../../base/constants.ts';
import {
  type Elements,
  type Payload,
  payloadOf,
  roomOf,
  type Strided,
  sizeOf,
} from '../datatype/data.ts';
import type { Endpoint } from '../point-to-point/endpoint.ts';
import { receiveOwn, sendOwn } from '../point-to-point/sendrecv.ts';
import { exchangeOf } from './alltoallv.ts';
import { blockCount, blockOf, elementsOf, newElements } from './arguments.ts';
import {
  type AnyBlocks,
  type BlockList,
  type Blocks,
  blocksOf,
  commonType,
  typeOfData,
} from './blocks.ts';
import { checkRoot, idle, signed } from './inter.ts';
import type { Prepared } from './prepared.ts';
import type { Schedule } from './schedule.ts';
import { OWN_COUNT, plainSignature, widthOf } from './signature.ts';

export function prepareInterScatter<A extends Elements>(
  endpoint: Endpoint,
  send: A | null,
  receive: A | null,
  root: number,
): Prepared<A | null> {
  const { size } = endpoint;
  checkRoot(root, size);
  if (root === PROC_NULL) return idle('scatter', null);
  const all =
    root === ROOT
      ? elementsOf('scatter', 'what is sent', send)
      : elementsOf('scatter', 'the array for the result', receive);
  const count = root === ROOT ? blockCount('scatter', 'what is sent', all, size) : all.count;
  return {
    signature: signed('scatter', all.type, count),
    algorithm: 0,
    memory: [all.bytes],
    *schedule(tag) {
      if (root !== ROOT) yield [receiveOwn(endpoint, all.bytes, root, tag)];
      else {
        const bytes = count * widthOf(all.type);
        yield Array.from({ length: size }, (_, to) =>
          sendOwn(endpoint, blockOf(all.bytes, to, bytes), to, tag),
        );
      }
      return root === ROOT ? null : receive;
    },
  };
}

export function prepareInterGatherv<A extends Elements>(
  endpoint: Endpoint,
  send: A | Strided<A> | null,
  receive: Blocks<A> | null,
  root: number,
): Prepared<Blocks<A> | null> {
  return withRoot(endpoint, 'gatherv', receive, send, root, receive);
}

export function prepareInterScatterv<A extends Elements>(
  endpoint: Endpoint,
  send: Blocks<A> | null,
  receive: A | Strided<A> | null,
  root: number,
): Prepared<A | Strided<A> | null> {
  return withRoot(endpoint, 'scatterv', send, receive, root, receive);
}

/**
 * The root has a block for each rank of the other group, or of each.
 * @param blocks the root's. @param mine what another one has. @param result of a rank that receives
 */
function withRoot<A extends Elements, Result>(
  endpoint: Endpoint,
  operation: 'gatherv' | 'scatterv',
  blocks: Blocks<A> | null,
  mine: A | Strided<A> | null,
  root: number,
  result: Result,
): Prepared<Result | null> {
  const { size } = endpoint;
  checkRoot(root, size);
  if (root === PROC_NULL) return idle(operation, null);
  const isRoot = root === ROOT;
  const sends = isRoot === (operation === 'scatterv');
  const one = sends ? payloadOf : roomOf;
  const list = isRoot
    ? blocksOf(operation, sends ? 'send' : 'receive', blocks as Blocks<A>, size)
    : { payloads: [one(mine as A, 0)], types: [typeOfData(mine)] };
  const transfer = sends ? sendOwn : receiveOwn;
  return {
    signature: signed(operation, commonType(list), OWN_COUNT),
    algorithm: 0,
    memory: list.payloads,
    *schedule(tag) {
      yield list.payloads.map((block, at) => transfer(endpoint, block, isRoot ? at : root, tag));
      return sends ? null : result;
    },
  };
}

export function prepareInterAllgatherv<A extends Elements>(
  endpoint: Endpoint,
  send: A | Strided<A>,
  receive: Blocks<A> | undefined,
): Prepared<Blocks<A>> {
  const { size } = endpoint;
  const mine = payloadOf(send, 0);
  const type = typeOfData(send);
  const given =
    receive === undefined ? null : blocksOf('allgatherv', 'receive', receive, endpoint.size);
  const op = given === null ? 'the result left out' : null;
  return {
    signature: { ...signed('allgatherv', type, OWN_COUNT), op },
    algorithm: 0,
    memory: [mine, ...(given?.payloads ?? [])],
    *schedule(tag) {
      let result = receive;
      if (result === undefined) {
        const counts = yield* countsOfOthers(endpoint, tag, sizeOf(mine) / widthOf(type));
        const like = ('data' in send ? send.data : send) as A;
        result = Array.from(counts, (count) => newElements('allgatherv', like, count));
      }
      const { payloads } = given ?? blocksOf('allgatherv', 'receive', result, size);
      yield payloads.flatMap((block, other) => [
        receiveOwn(endpoint, block, other, tag),
        sendOwn(endpoint, mine, other, tag),
      ]);
      return result;
    },
  };
}

/** Each tells all ranks of the other group how many elements it has. */
function* countsOfOthers(endpoint: Endpoint, tag: number, count: number): Schedule<Float64Array> {
  const mine = new Uint8Array(Float64Array.of(count).buffer);
  const counts = new Float64Array(endpoint.size);
  const all = new Uint8Array(counts.buffer);
  yield Array.from(counts, (_, other) => [
    receiveOwn(endpoint, blockOf(all, other, lengthOf(mine)), other, tag),
    sendOwn(endpoint, mine, other, tag),
  ]).flat();
  return counts;
}

export function prepareInterAlltoallv<B extends AnyBlocks>(
  endpoint: Endpoint,
  send: AnyBlocks,
  receive: B,
): Prepared<B> {
  const from = blocksOf('alltoallv', 'send', send, endpoint.size);
  const into = blocksOf('alltoallv', 'receive', receive, endpoint.size);
  return {
    signature: plainSignature('alltoallv'),
    algorithm: 0,
    memory: [...from.payloads, ...into.payloads],
    *schedule(tag) {
      yield requestsOf(endpoint, tag, from, into);
      return receive;
    },
  };
}

function requestsOf(endpoint: Endpoint, tag: number, from: BlockList, into: BlockList) {
  const { send, receive, sendTag, receiveTag } = exchangeOf(tag, from, into);
  const one = (block: Payload, other: number) => [
    receiveOwn(endpoint, receive[other], other, receiveTag(other)),
    sendOwn(endpoint, block, other, sendTag(other)),
  ];
  return send.flatMap(one);
}
