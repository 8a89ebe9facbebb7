/** Elements of all ranks, combined, for all (MPI 4.1, 6.9.6). */
import type { Elements } from '../datatype/data.ts';
import { bytesOf } from '../point-to-point/buffer.ts';
import type { Endpoint } from '../point-to-point/endpoint.ts';
import { areSeveral, areShared, NODES } from './across-nodes.ts';
import { ALLGATHERV } from './allgather.ts';
import { checkApart, isSame } from './arguments.ts';
import { bcast } from './bcast.ts';
import { chain } from './chain.ts';
import { foldAcross, mayFoldAcross, spreadSlices } from './fold-across.ts';
import { foldAll } from './fold-all.ts';
import { foldSlices } from './fold-slices.ts';
import { fitsLines, lineAllreduce } from './lines/reductions.ts';
import { type Nodes, nodesOf } from './nodes.ts';
import { Op } from './op.ts';
import type { Prepared } from './prepared.ts';
import { recursiveDoubling, type WholeResult } from './recursive-doubling.ts';
import {
  Combining,
  opName,
  type ReduceOptions,
  type ReductionShape,
  reductionOf,
  resultOf,
  shapeOf,
  sliceOf,
  slicesOf,
} from './reduction.ts';
import { arrayOf, isScalar, ofElement } from './scalar.ts';
import type { Schedule } from './schedule.ts';
import { type Algorithm, choose, chooseLines, type Table } from './select.ts';
import { NO_ROOT, type Signature } from './signature.ts';

/** Up to so many bytes of all ranks, every rank had better have all and fold them itself. */
const ALL_BYTES = 16 * 1024;
/** Up to so many bytes, to send them a few times costs less than more rounds. */
const DOUBLING_BYTES = 8 * 1024;

/** Up to so many bytes, two ranks on different nodes had better fold all elements each: that takes less than another message. */
const EXCHANGE_BYTES = 256 * 1024;

type ReductionAlgorithm = Algorithm<WholeResult, ReductionShape>;

/** Two ranks send as many bytes as by slices, and wait for each other once, not twice. */
const exchange: ReductionAlgorithm = {
  name: 'exchange',
  best: (shape) => areSeveral(shape) && shape.ranks === 2 && shape.bytes <= EXCHANGE_BYTES,
  *run(endpoint, tag, call) {
    const combining = new Combining(call);
    const all = new Array(endpoint.size).fill({ at: 0, count: call.count });
    yield* foldSlices(endpoint, tag, call, all, call.result, 0, combining);
    yield* combining.end(endpoint, tag);
  },
};

const everybody: ReductionAlgorithm = {
  name: 'everybody',
  best: ({ ranks, bytes }) => ranks * bytes <= ALL_BYTES,
  *run(endpoint, tag, call) {
    const combining = new Combining(call);
    yield* foldAll(endpoint, tag, call, endpoint.size, call.result, combining);
    yield* combining.end(endpoint, tag);
  },
};

const doubling: ReductionAlgorithm = {
  name: 'recursive-doubling',
  can: ({ exact, pairwise }) => exact && pairwise,
  best: ({ ranks, bytes }) => ranks > 2 && bytes <= DOUBLING_BYTES,
  run: recursiveDoubling,
};

const acrossNodes: ReductionAlgorithm = {
  name: NODES,
  can: mayFoldAcross,
  best: areShared,
  *run(endpoint, tag, call) {
    const nodes = nodesOf(endpoint) as Nodes;
    const combining = new Combining(call);
    const folded = yield* foldAcross(endpoint, tag, call, nodes, combining);
    yield* spreadSlices(endpoint, tag, nodes, folded, call.taken, call.kernel.kind.bytes);
    yield* combining.end(endpoint, tag);
  },
};

const slices: ReductionAlgorithm = {
  name: 'slices',
  can: ({ divisible }) => divisible,
  best: () => true,
  *run(endpoint, tag, call) {
    const { kernel, count, result, taken } = call;
    const { rank, size } = endpoint;
    const parts = slicesOf(count, kernel.unit, size);
    const combining = new Combining(call);
    yield* foldSlices(endpoint, tag, call, parts, result, parts[rank].at, combining);
    const payloads = parts.map((one) => sliceOf(taken, one, kernel.kind.bytes));
    const gathering = choose(ALLGATHERV, { ranks: size, bytes: taken.length });
    yield* gathering.algorithm.run(endpoint, tag, payloads);
    yield* combining.end(endpoint, tag);
  },
};

/** What is not to be divided goes through all ranks, and from the last one back to all. */
const whole: ReductionAlgorithm = {
  name: 'chain',
  can: ({ pairwise }) => pairwise,
  best: () => true,
  *run(endpoint, tag, call) {
    const { kernel, count, result, taken } = call;
    const last = endpoint.size - 1;
    const combining = new Combining(call);
    yield* chain(endpoint, tag, call, null, result, combining);
    if (endpoint.rank === last) kernel.finish(result, 0, count, endpoint.size);
    yield* bcast(endpoint, tag, taken, last);
    yield* combining.end(endpoint, tag);
  },
};

export const ALLREDUCE: Table<WholeResult, ReductionShape> = {
  operation: 'ALLREDUCE',
  lines: { can: fitsLines, make: lineAllreduce },
  algorithms: [exchange, everybody, doubling, acrossNodes, slices, whole],
};

/** @param send may be the result's memory */
export function prepareAllreduce<A extends Elements>(
  endpoint: Endpoint,
  send: A,
  receive: A | null | undefined,
  op: unknown,
  options?: ReduceOptions,
): Prepared<A> {
  const reduction = reductionOf('allreduce', send, op, options);
  const { count, type, given } = reduction;
  const result = resultOf('allreduce', receive, send, count);
  const taken = bytesOf(result);
  if (!isSame(given, taken)) checkApart('allreduce', given, taken);
  const shape = shapeOf(reduction, endpoint);
  const { algorithm, number } = choose(ALLREDUCE, shape);
  const call: WholeResult = {
    op: reduction.op,
    kernel: reduction.kernel,
    count,
    send: reduction.send,
    given,
    result,
    taken,
  };
  const name = opName(reduction);
  const signature: Signature = { operation: 'allreduce', type, count, root: NO_ROOT, op: name };
  return {
    line: chooseLines(ALLREDUCE, shape, call, signature, () => result),
    signature,
    algorithm: number,
    memory: [given, taken],
    *schedule(tag): Schedule<A> {
      yield* algorithm.run(endpoint, tag, call);
      return result;
    },
  };
}

/**
 * The call in its forms: (data, op), (send, receive, op), (number or bigint, op), each with options behind.
 */
export function prepareAllreduceCall(
  endpoint: Endpoint,
  first: unknown,
  second: unknown,
  third: unknown,
  fourth: unknown,
): Prepared<unknown> {
  // Without an array for the result, what comes second is the operation.
  const short = second instanceof Op || third === undefined;
  const op = short ? second : third;
  const options = (short ? third : fourth) as ReduceOptions | undefined;
  if (isScalar(first)) {
    const array = arrayOf(first);
    return ofElement(prepareAllreduce(endpoint, array, array, op, options), array);
  }
  const receive = (short ? first : second) as Elements | null;
  return prepareAllreduce(endpoint, first as Elements, receive, op, options);
}
