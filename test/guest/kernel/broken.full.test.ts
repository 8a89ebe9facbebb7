// The module built with its test switches: allocation failures and a counter that wraps, which must
// go well; and modules broken on purpose, which the self-tests must notice.
import { guestTests } from '../harness/bridge.ts';
import { brokenPrograms, testBuildPrograms } from './programs.ts';

await guestTests('dreg.ko, test build', {
  programs: async () => [...(await testBuildPrograms()), ...(await brokenPrograms())],
});
