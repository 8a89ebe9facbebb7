// The module as it is shipped, in real kernels: every line that a self-test prints is a test here.
import { guestTests } from '../harness/bridge.ts';
import { libraryPrograms, longPrograms, scenarioPrograms, stressPrograms } from './programs.ts';

await guestTests('dreg.ko', {
  programs: async () => [
    ...(await scenarioPrograms()),
    ...(await stressPrograms()),
    ...(await libraryPrograms()),
    ...(await longPrograms()),
  ],
});
