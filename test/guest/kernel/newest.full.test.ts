// The module in the newest kernel that Debian backports: what the kernel's own changes break is seen here first.
import { guestTests } from '../harness/bridge.ts';
import { scenarioPrograms, stressPrograms } from './programs.ts';

await guestTests('dreg.ko, the newest kernel', {
  kernels: ['newest'],
  // Of the long ones the fuzzer alone: the others have not been seen to end there.
  programs: async () => [
    ...(await scenarioPrograms()),
    ...(await stressPrograms()).filter(({ name }) => name === 'fuzz'),
  ],
});
