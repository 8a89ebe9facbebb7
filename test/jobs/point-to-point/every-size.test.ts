/** What must hold with any number of ranks, under dregrun and under MPICH's launcher. */
import { beforeAll, describe, expect, test } from 'vitest';
import { canTest } from '../../tools/launcher.ts';
import { type JobEnded, nodeWords, runCommand, runJob } from '../run.ts';

const CASES = [
  'messages to oneself',
  'a ring, blocking',
  'a ring of promises',
  'any source, any tag',
  'receives match in the order of posting',
  'messages that nobody asked for are taken in the order of their coming',
  'messages of no bytes',
  'barriers let nobody through before all are there',
  'sendrecv shifts',
  'nobody is there at PROC_NULL',
  'some ranks block while others await',
  'everybody to everybody',
  'requests may be tested, awaited twice, and waited for after',
];

function suite(ranks: number, run: () => Promise<JobEnded>): void {
  let job: JobEnded;
  beforeAll(async () => {
    job = await run();
  });

  test.each(CASES)('%s', (name) => {
    const said = job.stdout.split('\n').filter((line) => line === `${name}: ok`).length;
    expect({ said, stderr: job.stderr }).toEqual({ said: ranks, stderr: '' });
  });

  test('the job ends well and leaves nothing', () => {
    const { status, orphans, shared, stdout } = job;
    expect({ status, orphans, shared }).toEqual({ status: 0, orphans: [], shared: [] });
    expect(new Set(stdout.trim().split('\n'))).toEqual(new Set(CASES.map((name) => `${name}: ok`)));
  });
}

describe.each([1, 2, 3, 5, 8])('%i ranks', (ranks) => {
  suite(ranks, () => runJob('point-to-point/every-size', { ranks }));
});

describe('4 ranks on one core', () => {
  suite(4, () => runJob('point-to-point/every-size', { ranks: 4, under: ['taskset', '-c', '0'] }));
});

describe.skipIf(!canTest('mpiexec.hydra'))('4 ranks under mpiexec.hydra (Debian: mpich)', () => {
  const node = [process.execPath, ...nodeWords('point-to-point/every-size', { ranks: 4 })];
  suite(4, () => runCommand(['mpiexec.hydra', '-n', '4', ...node]));
});

describe('without a launcher', () => {
  suite(1, () =>
    runCommand([process.execPath, ...nodeWords('point-to-point/every-size', { ranks: 1 })]),
  );
});
