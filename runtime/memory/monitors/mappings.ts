/** What kind of memory lies in a range: decides whether userfaultfd tells of all its changes. */
import { type FdOwner, mapping } from '../../../native/mapping.ts';
import { vma } from '../../../native/vma.ts';
import { check } from '../../base/error.ts';

/** Every byte is mapped, and private to this process: no file is beneath it. */
export const OWN = 0;
/** Part of the range is not mapped. */
export const HOLE = 1;
/**
 * Part of the range belongs to a file, which other processes can truncate or punch without an event. Shared
 * anonymous memory and huge pages belong to a file as well. The file has no name, but a forked child has
 * it, and a process that may look into /proc/PID/map_files can open it.
 */
export const FILE = 2;
export type Kind = typeof OWN | typeof HOLE | typeof FILE;

export class Mappings {
  readonly #native = vma();
  readonly #owner: FdOwner;
  #maps: number;
  readonly #byText: boolean;
  readonly #vma = new Float64Array(5);
  /** Page size of the last mapping looked at; 0: not known. */
  pageBytes = 0;

  /** `byText`: as on a kernel before 6.11. @throws MpiError where there is no /proc. */
  constructor(byText = false) {
    const maps = mapping().openFd('/proc/self/maps', false);
    this.#maps = check(maps, 'open', '/proc/self/maps');
    this.#owner = mapping().ownFd(this.#maps);
    this.#byText = byText;
  }

  kindOf(start: number, end: number): Kind {
    for (let at = start; at < end; ) {
      const answer = this.#native.vmaQuery(this.#maps, at, this.#vma, this.#byText);
      if (answer < 0 || this.#vma[0] > at) return HOLE;
      const [, until, shared, pageBytes, inode] = this.#vma;
      this.pageBytes = pageBytes;
      if (inode !== 0 || shared !== 0) return FILE;
      at = until;
    }
    return OWN;
  }

  close(): void {
    mapping().closeOwned(this.#owner);
    this.#maps = -1;
  }
}
