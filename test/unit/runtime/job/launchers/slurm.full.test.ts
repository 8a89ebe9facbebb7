/** Our ranks under srun, in a cluster of this machine alone. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fixture, start, temporaryFolder } from '../../../../tools/launcher.ts';
import { canTestSlurm, type Slurm, startSlurm } from '../../../../tools/slurm.ts';
import { SLURM_PMI2, SLURM_PMIX } from './launchers.ts';
import { launcherTests } from './suite.ts';

describe.skipIf(!canTestSlurm())('Slurm (needs root; Debian: slurmctld, slurmd)', () => {
  const folder = temporaryFolder();
  let slurm: Slurm | undefined;
  beforeAll(async () => {
    slurm = await startSlurm(folder.path);
    process.env.SLURM_CONF = slurm.configuration;
  });
  afterAll(async () => {
    await slurm?.stop();
    folder.remove();
  });

  for (const launcher of [SLURM_PMIX, SLURM_PMI2]) launcherTests(launcher);

  test('srun that tells its tasks nothing of each other is no three worlds of one', async () => {
    const words = ['--overcommit', '-n', '3', '--mpi=none', process.execPath];
    const { status, stdout } = await start('srun', [...words, fixture('act.mjs'), 'none']).ended;
    expect(stdout.match(/^ERR_LAUNCH: srun started this as task \d of 3/gm)).toHaveLength(3);
    expect(status).toBe(70);
  });

  test('with one task it is a world of one', async () => {
    const words = ['-n', '1', '--mpi=none', process.execPath, fixture('child.mjs'), 'child'];
    expect((await start('srun', words).ended).stdout).toBe('singleton 1\n');
  });
});
