/** MPI.allocate() where there is little: in a cgroup, and with files that may not be long. */
import { expect, test } from 'vitest';
import { controlOffset } from '../../../transports/shm/layout.ts';
import { testInCgroup } from '../../tools/cgroup.ts';
import {
  expectAllWell,
  expectCases,
  listJobs,
  runJob,
  runLaunch,
  someJobs,
  together,
} from '../run.ts';

const CGROUP_BYTES = 512 * 2 ** 20;
/** What `ulimit -f` sets. */
const confined = (bytes: number) => ['prlimit', `--fsize=${bytes}`, '--'];

testInCgroup('in a cgroup, ERR_NO_MEM comes before the kernel kills', CGROUP_BYTES, async (enter) =>
  expectAllWell(
    await runJob('jobs/environment/programs/allocate', {
      ranks: 2,
      words: ['keeps', 'cgroup'],
      under: enter,
    }),
    2,
  ),
);

testInCgroup('in a cgroup, what is dropped in a loop is used again', CGROUP_BYTES, async (enter) =>
  expectAllWell(
    await runJob('jobs/environment/programs/allocate', {
      ranks: 2,
      words: ['drops', '60'],
      under: enter,
    }),
    2,
  ),
);

test('with files of 64 MiB at most a job runs, and allocates as much', async () => {
  const under = confined(64 * 2 ** 20);
  const pair = together(someJobs(listJobs()), 2);
  expectCases(await runLaunch(pair, { under }), pair);
  const words = ['keeps', 'ulimit -f'];
  expectAllWell(await runJob('jobs/environment/programs/allocate', { ranks: 2, words, under }), 2);
});

test('with files that are too short for any segment it is said which limit that is', async () => {
  const job = await runJob('jobs/environment/programs/allocate', {
    ranks: 2,
    words: ['drops', '1'],
    under: confined(8192),
  });
  expect(job).toMatchObject({ status: 1, stdout: '', orphans: [], shared: [] });
  const needed = controlOffset(2);
  expect(job.stderr).toMatch(
    new RegExp(`MpiError: making the shared segment: .*${needed} bytes.*fallocate.*ulimit -f`),
  );
});
