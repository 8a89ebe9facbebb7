/** Every job that test/jobs/ has: with its ranks and settings; on one core; and some under another launcher. */
import { describe, expect, test } from 'vitest';
import { canTest } from '../tools/launcher.ts';
import {
  launchAll,
  launches,
  launchTests,
  listJobs,
  rankWords,
  runCommand,
  runLaunch,
  someJobs,
  together,
} from './run.ts';

const jobs = listJobs();
launchAll(launches(jobs, 'quick'));

const four = together(jobs, 4);
launchTests('4 ranks on one core', four, () => runLaunch(four, { under: ['taskset', '-c', '0'] }));

describe.skipIf(!canTest('mpiexec.hydra'))('under MPICH', () => {
  const some = { ...four, jobs: someJobs(four.jobs) };
  const words = ['mpiexec.hydra', '-n', '4', process.execPath, ...rankWords(some)];
  launchTests('4 ranks under mpiexec.hydra (Debian: mpich)', some, () => runCommand(words));
});

const one = together(jobs, 1);
launchTests('without a launcher', one, () => runCommand([process.execPath, ...rankWords(one)]));

test('the scan finds the jobs of each chapter', () => {
  const chapters = new Set(jobs.map(({ name }) => name.split('/')[0]));
  expect([...chapters]).toEqual(expect.arrayContaining(['collective', 'point-to-point']));
  expect(jobs.map(({ name }) => name)).toContain('collective/barrier');
});
