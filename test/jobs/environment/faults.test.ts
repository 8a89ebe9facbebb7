/** A rank dies in the midst of a large message: the job ends, and nothing is left. */
import { NAMES, PATHS, testOfDeath } from '../faults.ts';

// Each path and each end in turn; faults.full.test.ts has all of them.
for (const [i, name] of NAMES.entries()) testOfDeath(name, PATHS[i % PATHS.length], i % 2, 100 * i);
