/** What kind of memory lies in a range: decides whether userfaultfd tells of all its changes. */
import { type FdOwner, mapping } from '../../../native/mapping.ts';
import { vma } from '../../../native/vma.ts';
import { check } from '../../base/error.ts';

/** Every byte is mapped, and no other process can take it away by the file that it is mapped from. */
export const OWN = 0;
/** Part of the range is not mapped. */
export const HOLE = 1;
/** Part of the range is a file, which can be truncated or punched without an event. */
export const FILE = 2;
export type Kind = typeof OWN | typeof HOLE | typeof FILE;

/** Anonymous memory that the kernel keeps in a file of its own, which nobody can open by a name. */
const OWN_NAMES = ['/dev/zero (deleted)', '/anon_hugepage (deleted)'];

export class Mappings {
  readonly #native = vma();
  readonly #owner: FdOwner;
  readonly #maps: number;
  readonly #byText: boolean;
  readonly #vma = new Float64Array(6);
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
      const name = this.#native.vmaQuery(this.#maps, at, this.#vma, this.#byText);
      if (typeof name === 'number' || this.#vma[0] > at) return HOLE;
      const [, until, , pageBytes, inode, deviceMajor] = this.#vma;
      this.pageBytes = pageBytes;
      if (inode !== 0 && !(deviceMajor === 0 && OWN_NAMES.includes(name))) return FILE;
      at = until;
    }
    return OWN;
  }

  close(): void {
    mapping().closeOwned(this.#owner);
  }
}
