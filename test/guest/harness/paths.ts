import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * The checkout's root. This file runs from test/guest/harness/ (vitest) and from dist/test/guest/harness/
 * (after the build), so the root is looked for, not counted; dist/ has no package.json of its own.
 */
function findCheckout(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) {
    const above = dirname(folder);
    if (above === folder) throw new Error('no package.json above test/guest');
    folder = above;
  }
  return folder;
}

export const CHECKOUT = findCheckout();

const GUEST = join(CHECKOUT, 'test', 'guest');

/** Shell scripts of the harness; they are not compiled, so always the checkout's own. */
export const HARNESS = join(GUEST, 'harness');

/** Everything that set-up downloads or builds; ignored by git, safe to delete. */
export const CACHE = process.env.DREG_GUEST_CACHE ?? join(GUEST, '.cache');
