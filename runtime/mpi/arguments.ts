/** Checks of what a program passes; each fails before anything is posted. */
import { inWords } from '../base/bytes.ts';
import { ANY_SOURCE, ANY_TAG, PROC_NULL, TAG_UB } from '../base/constants.ts';
import { MpiError } from '../base/error.ts';
import { Status } from './point-to-point/status.ts';

/** A tag that a message can have. The type first: `|` calls an object's own code, and refuses a BigInt. */
export function isTag(tag: unknown): tag is number {
  return typeof tag === 'number' && (tag | 0) === tag && tag >= 0;
}

/** A tag that a receive can ask for. */
export function isReceiveTag(tag: unknown): tag is number {
  return typeof tag === 'number' && (tag | 0) === tag && tag >= ANY_TAG;
}

/** @throws MpiError ERR_RANK unless `rank` is one of 0..size-1 or PROC_NULL */
export function checkDestination(rank: number, size: number): void {
  if (isRank(rank, size) || rank === PROC_NULL) return;
  throw noRank('destination', rank, size);
}

/** @throws MpiError ERR_RANK unless `rank` is one of 0..size-1, ANY_SOURCE or PROC_NULL */
export function checkSource(rank: number, size: number): void {
  if (isRank(rank, size) || rank === ANY_SOURCE || rank === PROC_NULL) return;
  throw noRank('source', rank, size);
}

function isRank(rank: number, size: number): boolean {
  return Number.isInteger(rank) && rank >= 0 && rank < size;
}

function noRank(what: string, rank: unknown, size: number): MpiError {
  return new MpiError(
    'ERR_RANK',
    `the ${what} ${inWords(rank)} is no rank of this communicator: it has the ranks 0 to ${size - 1}`,
  );
}

/** @throws MpiError ERR_TAG unless `tag` is an integer in 0..TAG_UB */
export function checkTag(tag: number): void {
  if (isTag(tag)) return;
  throw new MpiError('ERR_TAG', `the tag ${inWords(tag)} is no integer in 0..${TAG_UB}`);
}

/** @throws MpiError ERR_TAG unless `tag` is an integer in 0..TAG_UB or ANY_TAG */
export function checkReceiveTag(tag: number): void {
  if (tag !== ANY_TAG) checkTag(tag);
}

/** @throws MpiError ERR_ARG unless `status` is one that a receive can fill */
export function checkStatus(status: Status): void {
  if (status instanceof Status) return;
  throw new MpiError('ERR_ARG', `the status to fill is ${inWords(status)}, not a Status`);
}

/** @throws MpiError ERR_COUNT unless `bytes` is an integer in 0..`most` */
export function checkCount(bytes: number, most: number): void {
  if (Number.isSafeInteger(bytes) && bytes >= 0 && bytes <= most) return;
  throw new MpiError('ERR_COUNT', `${inWords(bytes)} is no number of bytes in 0..${most}`);
}
