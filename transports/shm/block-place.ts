/** Where a block lies, and how long it is. */
import { MpiError } from '../../runtime/base/error.ts';
import type { BlockName } from '../shared-block.ts';
import { blockStart, PAGE_BYTES } from './layout.ts';
import type { Range } from './ranges.ts';

/** Pages of the heaps' file that a word can name: 8 TiB. */
const PAGES_MAX = 2 ** 31;
const TWO_32 = 2 ** 32;

/** The two words of a serial. */
export function wordsOf(serial: number): [low: number, high: number] {
  return [(serial % TWO_32) | 0, Math.floor(serial / TWO_32)];
}

export function pageOf({ offset }: Range): number {
  const page = offset / PAGE_BYTES;
  if (page < PAGES_MAX) return page;
  throw noMemory(
    'the heaps of this job are longer than 8 TiB: allocate less, or start fewer ranks',
  );
}

/** Bytes that are there from the start: the block's line, who has gone, and the members' own part. */
export function reservedOf({ bytes }: BlockName, members: number): number {
  return Math.ceil((blockStart(members) + bytes) / PAGE_BYTES) * PAGE_BYTES;
}

export function sizeOf(name: BlockName, members: number): number {
  return reservedOf(name, members) + members * name.areaBytes;
}

export function noMemory(message: string): MpiError {
  return new MpiError('ERR_NO_MEM', message);
}
