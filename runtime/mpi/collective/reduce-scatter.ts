/** Elements of all ranks, combined; each rank gets its block of them (MPI 4.1, 6.10). */
import { inWords } from '../../base/bytes.ts';
import { MpiError } from '../../base/error.ts';
import type { Elements } from '../datatype/data.ts';
import { bytesOf } from '../point-to-point/buffer.ts';
import type { Endpoint } from '../point-to-point/endpoint.ts';
import { blockCount, checkApart, IN_PLACE, type InPlace } from './arguments.ts';
import { foldAll } from './fold-all.ts';
import { foldSlices } from './fold-slices.ts';
import { lineReduceScatter } from './lines/reductions.ts';
import { copyElements } from './op/kernel.ts';
import type { Prepared } from './prepared.ts';
import {
  Combining,
  checkUnit,
  opName,
  type Reduction,
  type ReductionShape,
  reductionOf,
  resultOf,
  type Slice,
  shapeOf,
} from './reduction.ts';
import { choose, chooseLines, type Table } from './select.ts';
import { NO_ROOT, type Signature } from './signature.ts';

export interface ReduceScatterCall extends Reduction {
  /** The ranks' blocks. */
  readonly blocks: readonly Slice[];
  /** This rank's block goes to its beginning. */
  readonly result: Elements;
}

export const REDUCE_SCATTER: Table<ReduceScatterCall, ReductionShape> = {
  operation: 'REDUCE_SCATTER',
  lines: { can: ({ divisible }) => divisible, make: lineReduceScatter },
  algorithms: [
    {
      name: 'slices',
      can: ({ divisible }) => divisible,
      best: () => true,
      *run(endpoint, tag, call) {
        const combining = new Combining(call);
        yield* foldSlices(endpoint, tag, call, call.blocks, call.result, 0, combining);
        yield* combining.end(endpoint, tag);
      },
    },
    {
      name: 'everybody',
      best: () => true,
      *run(endpoint, tag, call) {
        const { kernel, count, blocks, result } = call;
        const { rank, size } = endpoint;
        const combining = new Combining(call);
        const all = kernel.kind.make(count);
        yield* foldAll(endpoint, tag, call, size, all, combining);
        copyElements(result, 0, all, blocks[rank].at, blocks[rank].count, kernel);
        yield* combining.end(endpoint, tag);
      },
    },
  ],
};

type Name = 'reduceScatter' | 'reduceScatterBlock';

function prepare<A extends Elements>(
  endpoint: Endpoint,
  operation: Name,
  send: A | InPlace,
  receive: A | null | undefined,
  op: unknown,
  countsOf: (all: Reduction & { readonly type: number }) => ArrayLike<number>,
): Prepared<A> {
  const { rank, size } = endpoint;
  const inPlace = send === IN_PLACE || send === receive;
  const mine = inPlace ? (receive as A) : (send as A);
  const reduction = reductionOf(operation, mine, op);
  const { count, type, given, kernel } = reduction;
  const counts = countsOf(reduction);
  const blocks = blocksOf(operation, counts, reduction, size);
  const own = blocks[rank].count;
  // In place it is the beginning of what the rank gives.
  const result = inPlace
    ? (kernel.kind.view(given.buffer, given.byteOffset, own) as A)
    : resultOf(operation, receive, mine, own);
  if (!inPlace) checkApart(operation, given, bytesOf(result));
  const shape = shapeOf(reduction, endpoint);
  const { algorithm, number } = choose(REDUCE_SCATTER, shape);
  const call: ReduceScatterCall = {
    op: reduction.op,
    kernel,
    count,
    send: reduction.send,
    given,
    blocks,
    result,
  };
  const named = `${opName(reduction)}${operation === 'reduceScatter' ? `, counts ${Array.from(counts)}` : ''}`;
  const signature: Signature = { operation, type, count, root: NO_ROOT, op: named };
  return {
    line: chooseLines(REDUCE_SCATTER, shape, call, signature, () => result),
    signature,
    algorithm: number,
    memory: [given, bytesOf(result)],
    *schedule(tag) {
      yield* algorithm.run(endpoint, tag, call);
      return result;
    },
  };
}

/** @throws MpiError ERR_COUNT where the counts are none, or not those of all elements */
export function blocksOf(
  operation: Name,
  counts: ArrayLike<number>,
  { count, kernel }: Reduction,
  size: number,
): Slice[] {
  const { length } = Object(counts) as { length?: unknown };
  if (length !== size)
    throw new MpiError(
      'ERR_COUNT',
      `${operation}: the counts are one for each of ${size} ranks, not ${typeof length === 'number' ? length : inWords(counts)}`,
    );
  let at = 0;
  const blocks = Array.from(counts, (block, rank) => {
    if (!Number.isSafeInteger(block) || block < 0)
      throw new MpiError(
        'ERR_COUNT',
        `${operation}: the count of rank ${rank} is ${inWords(block)}, which is no number of elements`,
      );
    checkUnit(operation, kernel, block);
    at += block;
    return { at: at - block, count: block };
  });
  if (at !== count)
    throw new MpiError(
      'ERR_COUNT',
      `${operation}: the counts of all ranks make ${at} elements, and what is reduced has ${count}`,
    );
  return blocks;
}

export function prepareReduceScatter<A extends Elements>(
  endpoint: Endpoint,
  send: A | InPlace,
  receive: A | null | undefined,
  counts: ArrayLike<number>,
  op: unknown,
): Prepared<A> {
  return prepare(endpoint, 'reduceScatter', send, receive, op, () => counts);
}

export function prepareReduceScatterBlock<A extends Elements>(
  endpoint: Endpoint,
  send: A | InPlace,
  receive: A | null | undefined,
  op: unknown,
): Prepared<A> {
  return prepare(endpoint, 'reduceScatterBlock', send, receive, op, (all) =>
    equalCounts(all, endpoint.size),
  );
}

/** Blocks of the same length for all ranks. @throws MpiError ERR_COUNT */
export function equalCounts(all: Reduction & { readonly type: number }, size: number): number[] {
  const whole = { bytes: all.given, type: all.type, count: all.count };
  return new Array(size).fill(blockCount('reduceScatterBlock', 'what is reduced', whole, size));
}
