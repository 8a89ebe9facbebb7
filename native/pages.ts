/** The typed seam of pages.cc. */
import { type Addon, addon } from './addon.ts';

interface PagesAddon extends Addon {
  pageSize(): number;
  /** Whether this is the first call in the process. */
  firstTime(): boolean;
  /** A page whose contents a forked child finds zero. */
  forkGuard(): ArrayBuffer | number;
}

export function pagesAddon(): PagesAddon {
  return addon() as PagesAddon;
}
