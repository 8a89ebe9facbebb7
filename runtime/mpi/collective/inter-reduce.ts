/**
 * Reductions between two groups (MPI 4.1, 6.9 and 6.10): what the ranks of one group give is combined there, for its leader, and
 * goes to the other group.
 */
import { store } from '../../base/bytes.ts';
import { PROC_NULL, ROOT } from '../../base/constants.ts';
import { MpiError } from '../../base/error.ts';
import type { Elements } from '../datatype/data.ts';
import { bytesOf } from '../point-to-point/buffer.ts';
import type { Endpoint } from '../point-to-point/endpoint.ts';
import type { Request } from '../point-to-point/request.ts';
import { receiveOwn, sendOwn } from '../point-to-point/sendrecv.ts';
import { checkApart } from './arguments.ts';
import { bcast } from './bcast.ts';
import { checkRoot, idle, LEADER, signed, swap } from './inter.ts';
import { Op } from './op.ts';
import type { Prepared } from './prepared.ts';
import { REDUCE } from './reduce.ts';
import { blocksOf, equalCounts } from './reduce-scatter.ts';
import {
  opName,
  type ReduceOptions,
  type Reduction,
  reductionOf,
  resultOf,
  type Slice,
  scratchOf,
  shapeOf,
  sliceOf,
} from './reduction.ts';
import { arrayOf, isScalar, ofElement } from './scalar.ts';
import type { Schedule } from './schedule.ts';
import { choose } from './select.ts';
import type { OperationName, Signature } from './signature.ts';

type Sided = Reduction & { readonly type: number };

function signatureOf(
  operation: OperationName,
  reduction: Sided,
  op = opName(reduction),
): Signature {
  return { ...signed(operation, reduction.type, reduction.count), op };
}

/** Where a program's function threw, and what this rank throws then. */
interface Failure {
  /** The first such rank of its group. */
  readonly rank: number;
  readonly error: MpiError;
}

/** Combines what this group gives. @returns the result, at the leader; or what its ranks were told */
function* combined(
  local: Endpoint,
  tag: number,
  reduction: Reduction,
): Schedule<Elements | null | Failure> {
  const { kernel, count, op } = reduction;
  const result = local.rank === LEADER ? scratchOf(kernel, count).array : null;
  const { algorithm } = choose(REDUCE, shapeOf(reduction, local));
  try {
    yield* algorithm.run(local, tag, { ...reduction, root: LEADER, result });
  } catch (error) {
    const thrown = op.predefined === null && error instanceof MpiError && error.code === 'ERR_OP';
    if (!thrown) throw error;
    return { rank: error.peer ?? local.rank, error };
  }
  return result;
}

const isFailure = (result: Elements | null | Failure): result is Failure =>
  result !== null && 'error' in result;

/** Of a group in which no function threw. */
const NONE = -1;

/** For a rank of the other group. */
function failureThere(endpoint: Endpoint, { op }: Reduction, peer: number): MpiError {
  return new MpiError('ERR_OP', `${op.name} threw an error at rank ${peer} of the other group`, {
    rank: endpoint.engine.rank,
    peer,
  });
}

const oneNumber = (value: number) => new Uint8Array(Float64Array.of(value).buffer);
const numberIn = (bytes: Uint8Array) => new Float64Array(bytes.buffer)[0];

/** As `Combining.end` within a group: only a program's function may throw. */
const mayThrow = ({ op }: Reduction) => op.predefined === null;

export function prepareInterReduce<A extends Elements>(
  endpoint: Endpoint,
  local: Endpoint,
  send: A | null,
  receive: A | null,
  op: unknown,
  root: number,
  options?: ReduceOptions,
): Prepared<A | null> {
  checkRoot(root, endpoint.size);
  if (root === PROC_NULL) return idle('reduce', null);
  const isRoot = root === ROOT;
  const reduction = reductionOf('reduce', (isRoot ? receive : send) as A, op, options);
  const signature = signatureOf('reduce', reduction);
  return {
    signature,
    algorithm: 0,
    memory: [reduction.given],
    *schedule(tag) {
      if (isRoot) {
        yield* receiveResult(endpoint, tag, reduction);
        return receive;
      }
      const result = yield* combined(local, tag, reduction);
      if (local.rank === LEADER) yield* sendResult(endpoint, tag, reduction, result, root);
      if (isFailure(result)) throw result.error;
      return null;
    },
  };
}

function* sendResult(
  endpoint: Endpoint,
  tag: number,
  reduction: Reduction,
  result: Elements | null | Failure,
  root: number,
): Schedule<void> {
  const failed = isFailure(result);
  if (mayThrow(reduction))
    yield [sendOwn(endpoint, oneNumber(failed ? result.rank : NONE), root, tag)];
  if (!failed) yield [sendOwn(endpoint, bytesOf(result as Elements), root, tag)];
}

function* receiveResult(endpoint: Endpoint, tag: number, reduction: Reduction): Schedule<void> {
  if (mayThrow(reduction)) {
    const failed = oneNumber(NONE);
    yield [receiveOwn(endpoint, failed, LEADER, tag)];
    if (numberIn(failed) !== NONE) throw failureThere(endpoint, reduction, numberIn(failed));
  }
  yield [receiveOwn(endpoint, reduction.given, LEADER, tag)];
}

/** Both groups combine what they give, and their leaders have what the other one has. @returns null at the others */
function* swapped(
  endpoint: Endpoint,
  local: Endpoint,
  tag: number,
  reduction: Reduction,
): Schedule<Uint8Array | null> {
  const result = yield* combined(local, tag, reduction);
  if (mayThrow(reduction)) {
    const theirs = oneNumber(NONE);
    const failed = isFailure(result);
    yield* swap(endpoint, local, tag, oneNumber(failed ? result.rank : NONE), theirs);
    if (failed) throw result.error;
    if (numberIn(theirs) !== NONE) throw failureThere(endpoint, reduction, numberIn(theirs));
  }
  if (local.rank !== LEADER) return null;
  const came = scratchOf(reduction.kernel, reduction.count).bytes;
  yield [
    receiveOwn(endpoint, came, LEADER, tag),
    sendOwn(endpoint, bytesOf(result as Elements), LEADER, tag),
  ];
  return came;
}

export function prepareInterAllreduce<A extends Elements>(
  endpoint: Endpoint,
  local: Endpoint,
  send: A,
  receive: A | null,
  op: unknown,
  options?: ReduceOptions,
): Prepared<A> {
  if (receive instanceof Op)
    throw new MpiError(
      'ERR_BUFFER',
      'allreduce: between groups it is not in place: pass an array for the result, or null',
    );
  const reduction = reductionOf('allreduce', send, op, options);
  const result = resultOf('allreduce', receive, send, reduction.count);
  const taken = bytesOf(result);
  checkApart('allreduce', reduction.given, taken);
  return {
    signature: signatureOf('allreduce', reduction),
    algorithm: 0,
    memory: [reduction.given, taken],
    *schedule(tag) {
      const came = yield* swapped(endpoint, local, tag, reduction);
      if (came !== null) store(taken, came, 0);
      yield* bcast(local, tag, taken, LEADER);
      return result;
    },
  };
}

/** @param counts of the blocks of this group's ranks; null: those of reduceScatterBlock */
export function prepareInterReduceScatter<A extends Elements>(
  endpoint: Endpoint,
  local: Endpoint,
  send: A,
  receive: A | null,
  counts: ArrayLike<number> | null,
  op: unknown,
): Prepared<A> {
  const { rank, size } = local;
  const operation = counts === null ? 'reduceScatterBlock' : 'reduceScatter';
  const reduction = reductionOf(operation, send, op);
  const { given, kernel } = reduction;
  const blocks = blocksOf(operation, counts ?? equalCounts(reduction, size), reduction, size);
  const result = resultOf(operation, receive, send, blocks[rank].count);
  const taken = bytesOf(result);
  checkApart(operation, given, taken);
  return {
    // Each group has counts of its own, which make as many in all.
    signature: signatureOf(operation, reduction),
    algorithm: 0,
    memory: [given, taken],
    *schedule(tag) {
      const came = yield* swapped(endpoint, local, tag, reduction);
      if (came === null) yield [receiveOwn(local, taken, LEADER, tag)];
      else {
        yield dealOut(local, tag, came, blocks, kernel.kind.bytes);
        store(taken, sliceOf(came, blocks[rank], kernel.kind.bytes), 0);
      }
      return result;
    },
  };
}

/** The leader gives each other rank of its group its block. */
function dealOut(
  local: Endpoint,
  tag: number,
  all: Uint8Array,
  blocks: readonly Slice[],
  width: number,
): Request[] {
  return blocks.flatMap((block, to) =>
    to === LEADER ? [] : [sendOwn(local, sliceOf(all, block, width), to, tag)],
  );
}

/** The call in its forms: (send, receive, op, root), (number or bigint, op, root), each with options behind. */
export function prepareInterReduceCall(
  endpoint: Endpoint,
  local: Endpoint,
  ...[first, second, third, fourth, fifth]: unknown[]
): Prepared<unknown> {
  if (!isScalar(first)) {
    const [send, receive] = [first, second] as (Elements | null)[];
    const options = fifth as ReduceOptions | undefined;
    return prepareInterReduce(endpoint, local, send, receive, third, fourth as number, options);
  }
  const [root, options] = [third as number, fourth as ReduceOptions | undefined];
  // At the root it says of which type the result is.
  const one = arrayOf(first);
  return ofElement(prepareInterReduce(endpoint, local, one, one, second, root, options), one);
}

/** The call in its forms: (send, receive, op), (number or bigint, op), each with options behind. */
export function prepareInterAllreduceCall(
  endpoint: Endpoint,
  local: Endpoint,
  ...[first, second, third, fourth]: unknown[]
): Prepared<unknown> {
  if (!isScalar(first)) {
    const [send, receive] = [first as Elements, second as Elements | null];
    const options = fourth as ReduceOptions | undefined;
    return prepareInterAllreduce(endpoint, local, send, receive, third, options);
  }
  const options = third as ReduceOptions | undefined;
  const one = arrayOf(first);
  return ofElement(prepareInterAllreduce(endpoint, local, one, null, second, options), one);
}
