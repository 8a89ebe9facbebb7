/** What the variables of launchers say together: one job, a process alone, or what is wrong. */
import { describe, expect, test } from 'vitest';
import { joinJob } from '../../../../runtime/job/join.ts';
import { whichLauncher } from '../../../../runtime/job/which-launcher.ts';
import { fixture, start } from '../../../tools/launcher.ts';

const PMI = { PMI_FD: '3', PMI_RANK: '1', PMI_SIZE: '2' };
const PMIX = { PMIX_NAMESPACE: 'a', PMIX_RANK: '1' };

describe('what is asked', () => {
  test.each([
    [{}, 'none'],
    [PMI, 'pmi1'],
    [{ PMI_RANK: '0' }, 'pmi1'],
    [PMIX, 'pmix'],
    [{ PMIX_RANK: '0' }, 'pmix'],
    [{ ...PMI, SLURM_STEP_NUM_TASKS: '4' }, 'pmi1'],
    [{ SLURM_STEP_NUM_TASKS: '1', SLURM_PROCID: '0' }, 'none'],
    [{ SLURM_NTASKS: '4', SLURM_PROCID: '0' }, 'none'],
    [{ ...PMI, ...PMIX, DREG_LAUNCHER: 'pmi1' }, 'pmi1'],
    [{ ...PMI, ...PMIX, DREG_LAUNCHER: 'pmix' }, 'pmix'],
    [{ ...PMI, ...PMIX, DREG_LAUNCHER: 'none' }, 'none'],
    [{ DREG_LAUNCHER: '' }, 'none'],
  ])('of %j is %s', (environment, launcher) => {
    expect(whichLauncher(environment)).toBe(launcher);
  });
});

describe('an environment that does not work is no world of one', () => {
  test.each([
    [{ ...PMI, ...PMIX }, 'two launchers say who this process is: one by PMI_FD, PMI_RANK'],
    [{ PMI_RANK: '0', PMIX_RANK: '0' }, 'name the inner one: DREG_LAUNCHER=pmi1'],
    [{ PMI_PORT: 'host:1234' }, 'PMI_PORT (PMI over TCP)'],
    [{ SLURM_STEP_NUM_TASKS: '4', SLURM_PROCID: '2' }, 'task 2 of 4, without telling'],
    [
      { PMIX_RANK: '1', OMPI_COMM_WORLD_SIZE: '3' },
      'PMIX_NAMESPACE is not set, and PMIX_RANK is "1"',
    ],
    [{ PMIX_NAMESPACE: 'a' }, 'PMIX_NAMESPACE is "a", and PMIX_RANK is not set'],
    [{ PMIX_NAMESPACE: 'a', PMIX_RANK: '-1' }, 'PMIX_RANK is "-1"'],
    [{ PMIX_NAMESPACE: 'a', PMIX_RANK: 'x' }, 'PMIX_RANK is "x"'],
    [{ PMIX_NAMESPACE: '', PMIX_RANK: '0' }, 'PMIX_NAMESPACE is ""'],
    [{ DREG_LAUNCHER: 'pmi1' }, 'PMI_FD is not set'],
    [{ DREG_LAUNCHER: 'pmix' }, 'PMIX_NAMESPACE is not set, and PMIX_RANK is not set'],
  ])('%j', (environment, message) => {
    expect(() => joinJob(environment)).toThrow(
      expect.objectContaining({ code: 'ERR_LAUNCH', message: expect.stringContaining(message) }),
    );
  });

  test('an unknown launcher is ERR_ARG', () => {
    expect(() => joinJob({ DREG_LAUNCHER: 'mpirun' })).toThrow(
      expect.objectContaining({ code: 'ERR_ARG', message: expect.stringContaining('pmi1, pmix') }),
    );
  });

  test('a library of PMIx that does not load is named, with what to install', async () => {
    const environment = { ...PMIX, DREG_PMIX_LIBRARY: '/nowhere/libpmix.so.2' };
    const { status, stdout } = await start(process.execPath, [fixture('act.mjs'), 'none'], {
      environment,
    }).ended;
    expect(stdout).toMatch(
      /^ERR_LAUNCH: rank 1 was started by a launcher that speaks PMIx .*\/nowhere\/libpmix\.so\.2 does not load .*install libpmix2/m,
    );
    expect(status).toBe(70);
  });

  test('a library that is another one is named', async () => {
    const environment = { ...PMIX, DREG_PMIX_LIBRARY: 'libm.so.6' };
    const { stdout } = await start(process.execPath, [fixture('act.mjs'), 'none'], { environment })
      .ended;
    expect(stdout).toContain('libm.so.6 has no PMIx_Get_version');
  });

  test('with one rank, a launcher whose protocol is missing starts a world of one', () => {
    const environment = { PMIX_NAMESPACE: 'a', PMIX_RANK: '0', DREG_PMIX_LIBRARY: 'libno.so' };
    const one = { ...environment, OMPI_COMM_WORLD_SIZE: '1' };
    expect(joinJob(one)).toMatchObject({ size: 1, launcher: 'singleton' });
    expect(() => joinJob({ ...environment, OMPI_COMM_WORLD_SIZE: '2' })).toThrow('libno.so');
  });
});
