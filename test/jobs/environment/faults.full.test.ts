/** A rank dies in the midst of a large message, by each call and each path, at either end. */
import { NAMES, PATHS, testOfDeath } from '../faults.ts';

for (const name of NAMES)
  for (const path of PATHS)
    for (const victim of [0, 1])
      for (const looks of [0, 400]) testOfDeath(name, path, victim, looks);
