/** Whether ranks are started with the shared heap (docs/internals/shared-heap.md). */
import { existsSync } from 'node:fs';
import { heapLibrary, withHeapLibrary } from '../../native/shared-heap.ts';
import { MpiError } from '../base/error.ts';
import type { RunCommand } from './command-line/command.ts';

/**
 * LD_PRELOAD of ranks that run with this Node; undefined: as dregrun's.
 * @environment DREG_SHARED_HEAP | `0` (default), `1` | whether ranks have their large arrays in memory that the
 *   ranks of a node share; `--shared-heap` and `--no-shared-heap` win over it
 * @throws MpiError ERR_ARG where the variable has another value, or the library cannot be had
 */
export function preloadOf(
  { sharedHeap, exports }: RunCommand,
  environment: NodeJS.ProcessEnv,
): string | undefined {
  if (!(sharedHeap ?? isAskedFor(exports.get('DREG_SHARED_HEAP') ?? environment.DREG_SHARED_HEAP)))
    return undefined;
  const problem = heapProblem();
  if (problem !== null) throw new MpiError('ERR_ARG', `--shared-heap: ${problem}`);
  return withHeapLibrary(exports.get('LD_PRELOAD') ?? environment.LD_PRELOAD);
}

function isAskedFor(text: string | undefined): boolean {
  if (text === undefined || text === '' || text === '0') return false;
  if (text === '1') return true;
  throw new MpiError('ERR_ARG', `DREG_SHARED_HEAP=${text}: it must be 0 or 1`);
}

/** Why the library cannot be preloaded; null: it can. */
export function heapProblem(): string | null {
  const file = heapLibrary();
  // The dynamic linker takes both for the end of a name.
  if (/[ :]/.test(file))
    return `${file} cannot be preloaded, because there is a space or a colon in its path: install the package elsewhere`;
  if (existsSync(file)) return null;
  return `${file} is not there: "npx dregrun build" builds it`;
}
