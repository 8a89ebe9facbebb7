/** Who waits for whom, told by dregrun and by a rank, while the job goes on. */
import { afterEach, expect, test } from 'vitest';
import { fixture, insist, startDregrun, survivors, until } from '../../../tools/launcher.ts';

const WAITS = ['-n', '3', fixture('waits.mjs')];
/** Ranks tell what they wait for sooner than they would otherwise. */
const SOON = { environment: { DREG_DEADLOCK_MS: '50' } };

const TABLE = [
  /rank 0 waits in recv\(rank 1, tag 5\) of MPI\.world\n\s+at .*waits\.mjs:6:/,
  /rank 1 waits in recv\(rank 0, tag 6\) of MPI\.world\n\s+at .*waits\.mjs:9:/,
  /rank 2 runs/,
];

let job: ReturnType<typeof startDregrun>;
afterEach(async () => {
  job.child.kill('SIGTERM');
  expect((await job.ended).status).toBe(143);
  expect(survivors(job.mark)).toEqual([]);
});

const isTold = (text: string) => TABLE.every((line) => line.test(text));

test('SIGUSR2 to dregrun', async () => {
  job = startDregrun(WAITS, SOON);
  // Not before dregrun has its handlers.
  await until('the ranks wait', () => job.seen() !== '');
  await insist(
    'the table is told',
    () => job.child.kill('SIGUSR2'),
    () => isTold(job.told()),
  );
});

test('--stuck, once a rank has waited so long', async () => {
  job = startDregrun(['--stuck', '0.2', ...WAITS], SOON);
  await until('the table is told', () => isTold(job.told()));
});

test('MPI.inspect() in a rank', async () => {
  job = startDregrun(WAITS, SOON);
  await until('the rank has told', () => job.seen().includes('\n'));
  expect(JSON.parse(job.seen())).toEqual([
    { rank: 0, operation: 'recv', waitsFor: [1], stack: expect.stringContaining('waits.mjs:6:') },
    { rank: 1, operation: 'recv', waitsFor: [0], stack: expect.stringContaining('waits.mjs:9:') },
    { rank: 2, operation: null, waitsFor: [], stack: '' },
  ]);
});
