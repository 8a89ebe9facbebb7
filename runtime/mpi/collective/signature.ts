/**
 * What ranks that call the same collective operation have in common (MPI 4.1, 6.1 and 6.14): which
 * operation it is, on elements of which type, how many, from which root, with which op. The messages of a call bear a
 * digest of it in their tag, so those of calls that differ never meet.
 */
import { typeNameOf } from '../../base/bytes.ts';

/** Collective operations, by their numbers in tags. New ones come last. */
export const OPERATIONS = [
  'barrier',
  'bcast',
  'gather',
  'gatherv',
  'scatter',
  'scatterv',
  'allgather',
  'allgatherv',
  'alltoall',
  'alltoallv',
  'reduce',
  'allreduce',
  'reduceScatter',
  'reduceScatterBlock',
  'scan',
  'exscan',
  'objects().bcast',
  'objects().gather',
  'objects().allgather',
  'objects().scatter',
  'objects().alltoall',
  'objects().reduce',
  'objects().allreduce',
  'objects().scan',
  'objects().exscan',
  'dup',
  'split',
  'splitType',
  'create',
  'createInter',
  'merge',
  'cart',
  'sub',
  'distGraph',
  'distGraphAdjacent',
  'neighborAllgather',
  'neighborAllgatherv',
  'neighborAlltoall',
  'neighborAlltoallv',
  'disconnect',
] as const;

export type OperationName = (typeof OPERATIONS)[number];

const NUMBERS = new Map<string, number>(OPERATIONS.map((name, number) => [name, number]));

/** Types of elements and their widths in bytes, by their numbers. What is no typed array counts as bytes. */
const TYPES = [
  'Uint8Array',
  'Int8Array',
  'Uint8ClampedArray',
  'Int16Array',
  'Uint16Array',
  'Float16Array',
  'Int32Array',
  'Uint32Array',
  'Float32Array',
  'BigInt64Array',
  'BigUint64Array',
  'Float64Array',
];
const WIDTHS = [1, 1, 1, 2, 2, 2, 4, 4, 4, 8, 8, 8];

/** The call has no elements: a barrier. */
export const NO_TYPE = -1;
/** Elements of each rank's own number, or none at all. */
export const OWN_COUNT = -1;
/** All ranks do the same. */
export const NO_ROOT = -1;

export interface Signature {
  readonly operation: OperationName;
  /** {@link typeOf} its data, or {@link NO_TYPE}. */
  readonly type: number;
  /** Elements of a rank's block, or of all; {@link OWN_COUNT} where ranks may differ. */
  readonly count: number;
  /** {@link NO_ROOT} where there is none. */
  readonly root: number;
  /** The name of the operation of a reduction; null: it reduces nothing. */
  readonly op: string | null;
}

/** A signature without type, count, root and op. */
export function plainSignature(operation: OperationName): Signature {
  return { operation, type: NO_TYPE, count: OWN_COUNT, root: NO_ROOT, op: null };
}

/** The number of a typed array's type; of other memory, which is bytes, that of Uint8Array. */
export function typeOf(data: unknown): number {
  const name = typeNameOf(data);
  return name === undefined ? 0 : TYPES.indexOf(name);
}

/** The name of a type. */
export function nameOfType(type: number): string {
  return TYPES[type];
}

/** Bytes of an element. */
export function widthOf(type: number): number {
  return WIDTHS[type];
}

/** Bits of a tag: whether the call is a persistent one's, its number, the operation, and the rest. */
const NUMBER_BITS = 10;
export const OPERATION_BITS = 6;
const DIGEST_BITS = 12;
const OPERATION_SHIFT = DIGEST_BITS;
const NUMBER_SHIFT = DIGEST_BITS + OPERATION_BITS;
const PERSISTENT_TAG = 1 << (NUMBER_SHIFT + NUMBER_BITS);
const DIGEST_MASK = 2 ** DIGEST_BITS - 1;

/** Collective calls of one communicator that may be under way at once in a rank; persistent ones that may exist. */
export const COLLECTIVES_MAX = 2 ** NUMBER_BITS - 1;
/** Numbers of calls in tags, before they come round. */
export const CALL_NUMBERS: number = COLLECTIVES_MAX + 1;

/** Odd factors: whatever differs in one field only, by less than 4096, gives another digest. */
const TYPE_FACTOR = 0x35d;
const COUNT_FACTOR = 0x6a5;
const ROOT_FACTOR = 0xb17;
const OP_FACTOR = 0x9c3;
const ALGORITHM_FACTOR = 0xe4b;

/**
 * The tag of a call's messages.
 * @param number of the call, counted from 1; of a persistent one negative
 * @param algorithm the place of the algorithm in the operation's table: ranks that take others do not talk to each other
 */
export function tagOf(signature: Signature, number: number, algorithm: number): number {
  const { operation, type, count, root, op } = signature;
  const digest =
    Math.imul(type, TYPE_FACTOR) +
    Math.imul(folded(count), COUNT_FACTOR) +
    Math.imul(root, ROOT_FACTOR) +
    Math.imul(op === null ? 0 : opNumber(op), OP_FACTOR) +
    Math.imul(algorithm, ALGORITHM_FACTOR);
  const persistent = number < 0 ? PERSISTENT_TAG : 0;
  const its = (number < 0 ? -number : number) % CALL_NUMBERS;
  return (
    persistent |
    (its << NUMBER_SHIFT) |
    ((NUMBERS.get(operation) as number) << OPERATION_SHIFT) |
    (digest & DIGEST_MASK)
  );
}

/** All of a signature but its count, in a word: the operation in its low bits. */
export function wordOf({ operation, type, root, op }: Signature): number {
  const digest =
    Math.imul(type, TYPE_FACTOR) +
    Math.imul(root, ROOT_FACTOR) +
    Math.imul(op === null ? 0 : opNumber(op), OP_FACTOR);
  return (digest << OPERATION_BITS) | (NUMBERS.get(operation) as number);
}

/** A tag that no call has: of a question about a call in whose place the other rank has made another one. */
export function otherThan(tag: number): number {
  return tag | (2 * PERSISTENT_TAG);
}

/** The tag of a message whose elements have a type of their own. */
export function tagOfType(tag: number, type: number): number {
  return tag ^ (Math.imul(type, TYPE_FACTOR) & DIGEST_MASK);
}

const OWN_TYPES: readonly (OperationName | undefined)[] = [
  'alltoallv',
  'neighborAllgatherv',
  'neighborAlltoallv',
  'disconnect',
];

/** Whether an operation's messages have types of their own. */
export function hasOwnTypes(operation: OperationName | undefined): boolean {
  return OWN_TYPES.includes(operation);
}

/** Whether a tag is that of a message of this call. */
export function belongsTo(tag: number, callTag: number): boolean {
  if (tag === callTag) return true;
  return hasOwnTypes(operationOfTag(tag)) && isOfOtherCall(tag, callTag);
}

/** The number of a call in a tag, near another one; null: it is no collective call's, or a persistent one's. */
export function numberNear(tag: number, near: number): number | null {
  if (tag >= PERSISTENT_TAG) return null;
  const ahead = ((tag >> NUMBER_SHIFT) - near) & (CALL_NUMBERS - 1);
  return near + (ahead < CALL_NUMBERS / 2 ? ahead : ahead - CALL_NUMBERS);
}

/** Whether a message belongs to the call of the same number, and is not of this tag: somebody passes other elements. */
export function isOfOtherCall(tag: number, expected: number): boolean {
  return tag !== expected && tag >> OPERATION_SHIFT === expected >> OPERATION_SHIFT;
}

/** The operation to which a message of the library's belongs; undefined: to none that is collective. */
export function operationOfTag(tag: number): OperationName | undefined {
  if (tag >= 2 * PERSISTENT_TAG) return undefined;
  return OPERATIONS[(tag >> OPERATION_SHIFT) & (2 ** OPERATION_BITS - 1)];
}

/** A count of up to 2^53 in 32 bits, which keeps small differences. */
function folded(count: number): number {
  return (count | 0) ^ ((count / 2 ** DIGEST_BITS) | 0) ^ ((count / 2 ** (2 * DIGEST_BITS)) | 0);
}

const opNumbers = new Map<string, number>();

/** By its name: a program's own ops have theirs. */
function opNumber(op: string): number {
  let number = opNumbers.get(op);
  if (number === undefined) {
    number = 1;
    for (let i = 0; i < op.length; i++) number = (Math.imul(number, 31) + op.charCodeAt(i)) | 0;
    opNumbers.set(op, number);
  }
  return number;
}

/** Whether two calls are the same. */
export function areAlike(one: Signature, other: Signature): boolean {
  return (
    one.operation === other.operation &&
    one.type === other.type &&
    one.count === other.count &&
    one.root === other.root &&
    one.op === other.op
  );
}

/** The call as an error names it: `bcast(100 elements of Float64Array, root 3)`. */
export function callInWords({ operation, type, count, root, op }: Signature): string {
  const words: string[] = [];
  if (count !== OWN_COUNT)
    words.push(`${count} element${count === 1 ? '' : 's'} of ${TYPES[type]}`);
  else if (type !== NO_TYPE) words.push(`elements of ${TYPES[type]}`);
  if (op !== null) words.push(op);
  if (root !== NO_ROOT) words.push(`root ${root}`);
  return `${operation}(${words.join(', ')})`;
}
