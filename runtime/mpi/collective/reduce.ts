/** Elements of all ranks, combined, for one (MPI 4.1, 6.9.1). */
import type { Elements } from '../datatype/data.ts';
import { bytesOf } from '../point-to-point/buffer.ts';
import type { Endpoint } from '../point-to-point/endpoint.ts';
import type { Request } from '../point-to-point/request.ts';
import { receiveOwn, sendOwn } from '../point-to-point/sendrecv.ts';
import { areShared, NODES } from './across-nodes.ts';
import { checkApart, checkRoot, IN_PLACE, type InPlace, isSame } from './arguments.ts';
import { chain } from './chain.ts';
import { collectSlices, foldAcross, mayFoldAcross } from './fold-across.ts';
import { foldSlices } from './fold-slices.ts';
import { fitsLines, lineReduce } from './lines/reductions.ts';
import { type Nodes, nodesOf } from './nodes.ts';
import type { Prepared } from './prepared.ts';
import {
  Combining,
  opName,
  type ReduceOptions,
  type Reduction,
  type ReductionShape,
  reductionOf,
  resultOf,
  scratchOf,
  shapeOf,
  sliceOf,
  slicesOf,
} from './reduction.ts';
import { rootsOnly } from './refusals.ts';
import { arrayOf, isScalar, ofElement } from './scalar.ts';
import { type Algorithm, choose, chooseLines, type Table } from './select.ts';
import type { Signature } from './signature.ts';

export interface ReduceCall extends Reduction {
  readonly root: number;
  /** At the root alone. */
  readonly result: Elements | null;
}

/** Up to so many bytes the root had better fold all itself. */
const LINEAR_BYTES = 16 * 1024;

type ReductionAlgorithm = Algorithm<ReduceCall, ReductionShape>;

const linear: ReductionAlgorithm = {
  name: 'linear',
  best: ({ bytes }) => bytes <= LINEAR_BYTES,
  *run(endpoint, tag, call) {
    const { send, count, root, result } = call;
    const combining = new Combining(call);
    const slices = Array.from({ length: endpoint.size }, (_, rank) => ({
      at: 0,
      count: rank === root ? count : 0,
    }));
    yield* foldSlices(endpoint, tag, call, slices, result ?? send, 0, combining);
    yield* combining.end(endpoint, tag);
  },
};

const acrossNodes: ReductionAlgorithm = {
  name: NODES,
  can: mayFoldAcross,
  best: areShared,
  *run(endpoint, tag, call) {
    const { root, result, kernel } = call;
    const nodes = nodesOf(endpoint) as Nodes;
    const combining = new Combining(call);
    const folded = yield* foldAcross(endpoint, tag, call, nodes, combining);
    const taken = result === null ? null : bytesOf(result);
    yield* collectSlices(endpoint, tag, nodes, folded, root, taken, kernel.kind.bytes);
    yield* combining.end(endpoint, tag);
  },
};

const slices: ReductionAlgorithm = {
  name: 'slices',
  can: ({ divisible }) => divisible,
  best: () => true,
  *run(endpoint, tag, call) {
    const { kernel, count, root, result } = call;
    const { rank, size } = endpoint;
    const { bytes: width } = kernel.kind;
    const parts = slicesOf(count, kernel.unit, size);
    const mine = parts[rank];
    const combining = new Combining(call);
    if (result === null) {
      const { array, bytes } = scratchOf(kernel, mine.count);
      yield* foldSlices(endpoint, tag, call, parts, array, 0, combining);
      if (mine.count > 0) yield [sendOwn(endpoint, bytes, root, tag)];
    } else {
      yield* foldSlices(endpoint, tag, call, parts, result, mine.at, combining);
      const receives: Request[] = [];
      for (let from = 0; from < size; from++)
        if (from !== rank && parts[from].count > 0)
          receives.push(
            receiveOwn(endpoint, sliceOf(bytesOf(result), parts[from], width), from, tag),
          );
      yield receives;
    }
    yield* combining.end(endpoint, tag);
  },
};

/** What is not to be divided goes through all ranks, and from the last one to the root. */
const whole: ReductionAlgorithm = {
  name: 'chain',
  can: ({ pairwise }) => pairwise,
  best: () => true,
  *run(endpoint, tag, call) {
    const { kernel, count, root, result } = call;
    const { rank, size } = endpoint;
    const last = size - 1;
    const combining = new Combining(call);
    const passed = result ?? kernel.kind.make(count);
    yield* chain(endpoint, tag, call, null, passed, combining);
    if (rank === last) kernel.finish(passed, 0, count, size);
    if (rank === last && root !== last) yield [sendOwn(endpoint, bytesOf(passed), root, tag)];
    if (rank === root && root !== last) yield [receiveOwn(endpoint, bytesOf(passed), last, tag)];
    yield* combining.end(endpoint, tag);
  },
};

/** With more ranks than CPUs fewer bytes had better go by messages. */
const CROWD_BYTES = 16 * 1024;

export const REDUCE: Table<ReduceCall, ReductionShape> = {
  operation: 'REDUCE',
  lines: { can: fitsLines, inCrowd: ({ bytes }) => bytes > CROWD_BYTES, make: lineReduce },
  algorithms: [linear, acrossNodes, slices, whole],
};

export function prepareReduce<A extends Elements>(
  endpoint: Endpoint,
  send: A | InPlace,
  receive: A | null | undefined,
  op: unknown,
  root: number,
  options?: ReduceOptions,
): Prepared<A | null> {
  const { rank, size } = endpoint;
  checkRoot(root, size);
  if (send === IN_PLACE && rank !== root) throw rootsOnly('reduce');
  const mine = send === IN_PLACE ? (receive as A) : send;
  const reduction = reductionOf('reduce', mine, op, options);
  const { count, type, given } = reduction;
  const result = rank === root ? resultOf('reduce', receive, mine, count) : null;
  if (result !== null && !isSame(given, bytesOf(result)))
    checkApart('reduce', given, bytesOf(result));
  const shape = shapeOf(reduction, endpoint);
  const { algorithm, number } = choose(REDUCE, shape);
  const call: ReduceCall = {
    op: reduction.op,
    kernel: reduction.kernel,
    count,
    send: reduction.send,
    given,
    root,
    result,
  };
  const name = opName(reduction);
  const signature: Signature = { operation: 'reduce', type, count, root, op: name };
  return {
    line: chooseLines(REDUCE, shape, call, signature, () => result as A | null),
    signature,
    algorithm: number,
    memory: result === null ? [given] : [given, bytesOf(result)],
    *schedule(tag) {
      yield* algorithm.run(endpoint, tag, call);
      return result;
    },
  };
}

/** The call in its forms: (send, receive, op, root), (number or bigint, op, root), each with options behind. */
export function prepareReduceCall(
  endpoint: Endpoint,
  first: unknown,
  second: unknown,
  third: unknown,
  fourth: unknown,
  fifth?: unknown,
): Prepared<unknown> {
  if (isScalar(first)) {
    const options = fourth as ReduceOptions | undefined;
    const root = (third ?? 0) as number;
    const array = arrayOf(first);
    return ofElement(prepareReduce(endpoint, array, array, second, root, options), array);
  }
  return prepareReduce(
    endpoint,
    first as Elements | InPlace,
    second as Elements | null,
    third,
    (fourth ?? 0) as number,
    fifth as ReduceOptions | undefined,
  );
}
