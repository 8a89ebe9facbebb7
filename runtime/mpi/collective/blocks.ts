/** Blocks of any length, one for each rank or neighbour: views, or one array with counts and displacements. */
import { inWords, isTypedArray, lengthOf, NO_BYTES, part } from '../../base/bytes.ts';
import { MpiError } from '../../base/error.ts';
import {
  type Data,
  type Elements,
  type Payload,
  payloadOf,
  roomOf,
  type Strided,
  sizeOf,
} from '../datatype/data.ts';
import { bytesOf } from '../point-to-point/buffer.ts';
import { type OperationName, typeOf, widthOf } from './signature.ts';

/**
 * One block for each rank, in the order of the ranks, or for each neighbour: views, which carry offset and length (null: none); or one array, in which
 * the blocks have `counts` elements and begin at `displs`. Without `displs` they lie one behind the other (MPI 4.1, 6.5).
 */
export type Blocks<A extends Elements = Elements> =
  | readonly (A | Strided<A> | null)[]
  | {
      readonly data: A;
      readonly counts: ArrayLike<number>;
      readonly displs?: ArrayLike<number>;
    };

/** {@link Blocks} of which each may be of its own type and layout (MPI 4.1, 6.8). */
export type AnyBlocks = Blocks | readonly (Data | null)[];

/** A block of each rank, or neighbour. */
export interface BlockList {
  readonly payloads: readonly Payload[];
  /** Of the elements of each. */
  readonly types: readonly number[];
}

/** What the blocks are for: what is received must not lie in one place. */
export type BlockUse = 'send' | 'receive';

/** Whose they are. */
export type BlockOwner = 'rank' | 'neighbour';

/**
 * @throws MpiError ERR_ARG where they are no blocks; ERR_COUNT where there is not one for each rank, or one lies outside its array;
 *   ERR_BUFFER
 */
export function blocksOf(
  operation: OperationName,
  use: BlockUse,
  blocks: AnyBlocks,
  size: number,
  owner: BlockOwner = 'rank',
): BlockList {
  if (Array.isArray(blocks)) return ofViews(operation, use, blocks, size, owner);
  if (typeof blocks === 'object' && blocks !== null && 'counts' in blocks)
    return ofCounts(operation, use, blocks as Counted, size, owner);
  throw new MpiError(
    'ERR_ARG',
    `${operation}: the blocks to ${use} are ${inWords(blocks)}: pass an array of views, one for each ${owner}, or { data, counts, displs }`,
  );
}

interface Counted {
  readonly data: Elements;
  readonly counts: ArrayLike<number>;
  readonly displs?: ArrayLike<number>;
}

function ofViews(
  operation: OperationName,
  use: BlockUse,
  views: readonly (Data | null)[],
  size: number,
  owner: BlockOwner,
): BlockList {
  checkNumber(operation, use, 'block', views.length, size, owner);
  const payload = use === 'send' ? payloadOf : roomOf;
  return {
    payloads: Array.from(views, (view) => (view === null ? NO_BYTES : payload(view, 0))),
    types: Array.from(views, typeOfData),
  };
}

/** Of elements that lie apart, too. */
export function typeOfData(data: unknown): number {
  return typeOf(
    typeof data === 'object' && data !== null && 'shape' in data ? (data as Strided).data : data,
  );
}

function ofCounts(
  operation: OperationName,
  use: BlockUse,
  { data, counts, displs }: Counted,
  size: number,
  owner: BlockOwner,
): BlockList {
  if (!isTypedArray(data))
    throw new MpiError(
      'ERR_BUFFER',
      `${operation}: the data of the blocks to ${use} are ${inWords(data)}, not a typed array`,
    );
  const bytes = bytesOf(data);
  const type = typeOf(data);
  const width = widthOf(type);
  checkNumber(operation, use, 'count', listLength(counts), size, owner);
  if (displs !== undefined)
    checkNumber(operation, use, 'displacement', listLength(displs), size, owner);
  const all = lengthOf(bytes) / width;
  let next = 0;
  const payloads = Array.from({ length: size }, (_, i) => {
    const count = counts[i];
    const at = displs === undefined ? next : displs[i];
    if (!isCount(count) || !isCount(at) || at + count > all)
      throw new MpiError(
        'ERR_COUNT',
        `${operation}: the block of ${owner} ${i} to ${use} has the count ${inWords(count)} and the displacement ${inWords(at)}, and its array ${all} elements`,
      );
    next = at + count;
    return part(bytes, at * width, (at + count) * width);
  });
  return { payloads, types: new Array(size).fill(type) };
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function listLength(list: unknown): number {
  const { length } = Object(list) as { length?: unknown };
  return typeof length === 'number' ? length : -1;
}

/** @throws MpiError ERR_COUNT */
function checkNumber(
  operation: OperationName,
  use: BlockUse,
  what: string,
  number: number,
  size: number,
  owner: BlockOwner,
): void {
  if (number === size) return;
  throw new MpiError(
    'ERR_COUNT',
    `${operation}: the blocks to ${use} need one ${what} for each of ${size} ${owner}s, and there ${number === 1 ? 'is 1' : `are ${Math.max(0, number)}`}`,
  );
}

/** The type that all elements have; -1: they have several. */
export function commonType({ types }: BlockList): number {
  return types.every((type) => type === types[0]) ? types[0] : -1;
}

/** Bytes of all blocks. */
export function totalBytes({ payloads }: BlockList): number {
  return payloads.reduce((sum, payload) => sum + sizeOf(payload), 0);
}
