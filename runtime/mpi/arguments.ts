/** Checks of what a program passes; each fails before anything is posted. */
import { ANY_SOURCE, ANY_TAG, PROC_NULL, TAG_UB } from '../base/constants.ts';
import { MpiError } from '../base/error.ts';

/** @throws MpiError ERR_RANK unless `rank` is one of 0..size-1 or PROC_NULL */
export function checkDestination(rank: number, size: number): void {
  if (Number.isInteger(rank) && rank >= 0 && rank < size) return;
  if (rank === PROC_NULL) return;
  throw new MpiError(
    'ERR_RANK',
    `the destination ${String(rank)} is no rank of this communicator: it has the ranks 0 to ${size - 1}`,
  );
}

/** @throws MpiError ERR_RANK unless `rank` is one of 0..size-1, ANY_SOURCE or PROC_NULL */
export function checkSource(rank: number, size: number): void {
  if (Number.isInteger(rank) && rank >= 0 && rank < size) return;
  if (rank === ANY_SOURCE || rank === PROC_NULL) return;
  throw new MpiError(
    'ERR_RANK',
    `the source ${String(rank)} is no rank of this communicator: it has the ranks 0 to ${size - 1}`,
  );
}

/** @throws MpiError ERR_TAG unless `tag` is an integer in 0..TAG_UB */
export function checkTag(tag: number): void {
  if ((tag | 0) === tag && tag >= 0) return;
  throw new MpiError('ERR_TAG', `the tag ${String(tag)} is no integer in 0..${TAG_UB}`);
}

/** @throws MpiError ERR_TAG unless `tag` is an integer in 0..TAG_UB or ANY_TAG */
export function checkReceiveTag(tag: number): void {
  if (tag !== ANY_TAG) checkTag(tag);
}

/** @throws MpiError ERR_COUNT unless `bytes` is an integer in 0..`most` */
export function checkCount(bytes: number, most: number): void {
  if (Number.isSafeInteger(bytes) && bytes >= 0 && bytes <= most) return;
  throw new MpiError('ERR_COUNT', `${String(bytes)} is no number of bytes in 0..${most}`);
}
