// The module in the newest kernel that Debian backports: what the kernel's own changes break is seen here first.
import { guestTests } from '../harness/bridge.ts';
import { libraryPrograms, longPrograms, scenarioPrograms, stressPrograms } from './programs.ts';

await guestTests('dreg.ko, the newest kernel', {
  kernels: ['newest'],
  programs: async () => [
    ...(await scenarioPrograms()),
    ...(await stressPrograms()),
    ...(await libraryPrograms()),
    ...(await longPrograms()),
  ],
});
