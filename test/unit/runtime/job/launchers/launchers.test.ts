/** Our ranks under each launcher that a machine without a scheduler has. */
import { DREGRUN } from '../../../../tools/launcher.ts';
import { DREGRUN_LAUNCHER, HYDRA, OPEN_MPI } from './launchers.ts';
import { launcherTests } from './suite.ts';

for (const launcher of [DREGRUN_LAUNCHER(DREGRUN), HYDRA, OPEN_MPI]) launcherTests(launcher);
