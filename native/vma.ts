/** vma.cc: what lies at an address. */
import { addon } from './addon.ts';

export interface VmaAddon {
  /**
   * The mapping that covers `address`, or the next above it: 0 or a negative errno.
   * `answer` becomes start, end, shared, page size (0: not known), inode.
   */
  vmaQuery(maps: number, address: number, answer: Float64Array, byText: boolean): number;
}

export const vma = (): VmaAddon => addon() as unknown as VmaAddon;
