/** Elements of the ranks up to this one, combined: with it (scan) or without (exscan) (MPI 4.1, 6.11). */
import type { Elements } from '../datatype/data.ts';
import { bytesOf } from '../point-to-point/buffer.ts';
import type { Endpoint } from '../point-to-point/endpoint.ts';
import { checkApart, IN_PLACE, type InPlace, isSame } from './arguments.ts';
import { chain } from './chain.ts';
import { foldAll } from './fold-all.ts';
import { fitsLines, lineScan } from './lines/reductions.ts';
import type { Prepared } from './prepared.ts';
import {
  Combining,
  opName,
  type Reduction,
  type ReductionShape,
  reductionOf,
  resultOf,
  shapeOf,
} from './reduction.ts';
import { arrayOf, giving, isScalar, ofElement } from './scalar.ts';
import { choose, chooseLines, type Table } from './select.ts';
import { NO_ROOT, type Signature } from './signature.ts';

export interface ScanCall extends Reduction {
  readonly result: Elements;
  /** Whether this rank's own elements are in its result. */
  readonly inclusive: boolean;
}

/** Up to so many bytes of all ranks, every rank had better have all. */
const ALL_BYTES = 16 * 1024;

export const SCAN: Table<ScanCall, ReductionShape> = {
  operation: 'SCAN',
  lines: { can: fitsLines, make: lineScan },
  algorithms: [
    {
      name: 'everybody',
      best: ({ ranks, bytes }) => ranks * bytes <= ALL_BYTES,
      *run(endpoint, tag, call) {
        const { rank } = endpoint;
        const ranks = call.inclusive ? rank + 1 : rank;
        const combining = new Combining(call);
        yield* foldAll(endpoint, tag, call, ranks, call.result, combining);
        yield* combining.end(endpoint, tag);
      },
    },
    {
      name: 'chain',
      best: () => true,
      *run(endpoint, tag, call) {
        const { kernel, count, result, inclusive } = call;
        const { rank } = endpoint;
        const combining = new Combining(call);
        const passed = inclusive ? result : kernel.kind.make(count);
        yield* chain(endpoint, tag, call, inclusive ? null : result, passed, combining);
        const ranks = inclusive ? rank + 1 : rank;
        if (ranks > 0) kernel.finish(result, 0, count, ranks);
        yield* combining.end(endpoint, tag);
      },
    },
  ],
};

export function prepareScan<A extends Elements>(
  endpoint: Endpoint,
  operation: 'scan' | 'exscan',
  send: A | InPlace,
  receive: A | null | undefined,
  op: unknown,
): Prepared<A> {
  const mine = send === IN_PLACE ? (receive as A) : send;
  const reduction = reductionOf(operation, mine, op);
  const { count, type, given } = reduction;
  const result = resultOf(operation, receive, mine, count);
  if (!isSame(given, bytesOf(result))) checkApart(operation, given, bytesOf(result));
  const shape = shapeOf(reduction, endpoint);
  const { algorithm, number } = choose(SCAN, shape);
  const call: ScanCall = {
    op: reduction.op,
    kernel: reduction.kernel,
    count,
    send: reduction.send,
    given,
    result,
    inclusive: operation === 'scan',
  };
  const name = opName(reduction);
  const signature: Signature = { operation, type, count, root: NO_ROOT, op: name };
  return {
    line: chooseLines(SCAN, shape, call, signature, () => result),
    signature,
    algorithm: number,
    memory: [given, bytesOf(result)],
    *schedule(tag) {
      yield* algorithm.run(endpoint, tag, call);
      return result;
    },
  };
}

/** The call in its forms: (send, receive, op), (number or bigint, op). */
export function prepareScanCall(
  endpoint: Endpoint,
  operation: 'scan' | 'exscan',
  first: unknown,
  second: unknown,
  third: unknown,
): Prepared<unknown> {
  if (!isScalar(first)) {
    const send = first as Elements | InPlace;
    return prepareScan(endpoint, operation, send, second as Elements | null, third);
  }
  const array = arrayOf(first);
  const prepared = ofElement(prepareScan(endpoint, operation, array, array, second), array);
  if (operation === 'scan' || endpoint.rank > 0) return prepared;
  return giving(prepared, () => undefined);
}

/** The call of `scanSync`: one function, by which it is known. */
export function prepareInclusiveScan(
  endpoint: Endpoint,
  first: unknown,
  second: unknown,
  third: unknown,
): Prepared<unknown> {
  return prepareScanCall(endpoint, 'scan', first, second, third);
}

/** The call of `exscanSync`. */
export function prepareExclusiveScan(
  endpoint: Endpoint,
  first: unknown,
  second: unknown,
  third: unknown,
): Prepared<unknown> {
  return prepareScanCall(endpoint, 'exscan', first, second, third);
}
