/** Our ranks under each launcher that a machine without a scheduler has. */
import { expect, test } from 'vitest';
import { DREGRUN } from '../../../../tools/launcher.ts';
import { launchingPage } from '../../../../tools/launchers-table.ts';
import { DREGRUN_LAUNCHER, HYDRA, OPEN_MPI } from './launchers.ts';
import { launcherTests } from './suite.ts';

for (const launcher of [DREGRUN_LAUNCHER(DREGRUN), HYDRA, OPEN_MPI]) launcherTests(launcher);

test('the table in docs/operating/launching.md says so (npm run docs:launchers)', () => {
  const { text, made } = launchingPage();
  expect(text).toBe(made);
});
