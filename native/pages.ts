/** The typed seam of pages.cc. */
import { type Addon, addon } from './addon.ts';

interface PagesAddon extends Addon {
  pageSize(): number;
  /** A page whose contents a forked child finds zero. */
  forkGuard(): ArrayBuffer | number;
}

export function pagesAddon(): PagesAddon {
  return addon() as PagesAddon;
}
