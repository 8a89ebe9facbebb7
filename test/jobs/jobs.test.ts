/** Every job that test/jobs/ has: with all its ranks and settings, and what runs anywhere also under other launchers. */
import { describe, expect, test } from 'vitest';
import { canTest } from '../tools/launcher.ts';
import {
  launches,
  launchTests,
  listJobs,
  rankWords,
  runCommand,
  runLaunch,
  together,
} from './run.ts';

const jobs = listJobs();
const counted = (ranks: number) => (ranks === 1 ? '1 rank' : `${ranks} ranks`);

for (const launch of launches(jobs)) {
  const alone = launch.jobs.length === 1 ? `${launch.jobs[0].name}, ` : '';
  launchTests(`${alone}${counted(launch.ranks)}`, launch);
}

const four = together(jobs, 4);
launchTests('4 ranks on one core', four, () => runLaunch(four, { under: ['taskset', '-c', '0'] }));

describe.skipIf(!canTest('mpiexec.hydra'))('under MPICH', () => {
  const words = ['mpiexec.hydra', '-n', '4', process.execPath, ...rankWords(four)];
  launchTests('4 ranks under mpiexec.hydra (Debian: mpich)', four, () => runCommand(words));
});

const one = together(jobs, 1);
launchTests('without a launcher', one, () => runCommand([process.execPath, ...rankWords(one)]));

test('the scan finds the jobs of each chapter', () => {
  const chapters = new Set(jobs.map(({ name }) => name.split('/')[0]));
  expect([...chapters]).toEqual(expect.arrayContaining(['collective', 'point-to-point']));
  expect(jobs.map(({ name }) => name)).toContain('collective/barrier');
});
