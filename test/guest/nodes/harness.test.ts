/** The starter of jobs over several nodes, with two nodes made of this machine. */
import { expect, test } from 'vitest';
import { type NodeJob, runNodeJob } from './job.ts';

/** Two nodes, one after the other in this process: DREG_NODE tells their ranks apart. */
async function onTwoNodes(job: NodeJob, port: number) {
  const ends = [0, 1].map((node) =>
    runNodeJob(
      { ...job, environment: { ...job.environment, DREG_NODE: String(node) } },
      { node, server: '127.0.0.1', port },
    ),
  );
  const all = await Promise.all(ends);
  return { ranks: all.flatMap(({ ranks }) => ranks), killed: all.map(({ killed }) => killed) };
}

test('ranks of both nodes are in one job, and know who is near', async () => {
  const job = { program: 'test/guest/nodes/programs/who', ranksPerNode: 2, timeoutSeconds: 30 };
  const { ranks, killed } = await onTwoNodes(job, 7091);
  expect(killed).toEqual([undefined, undefined]);
  expect(ranks).toEqual(
    [0, 1, 2, 3].map((rank) => ({
      rank,
      status: 0,
      stdout: `rank ${rank} of 4, near ${rank < 2 ? '0,1' : '2,3'}\n`,
      stderr: '',
    })),
  );
});

test('a rank that aborts ends the ranks of both nodes', async () => {
  const job = {
    program: 'test/guest/nodes/programs/who',
    words: ['abort'],
    ranksPerNode: 2,
    timeoutSeconds: 30,
  };
  const { ranks, killed } = await onTwoNodes(job, 7092);
  expect(killed).toEqual(['rank 3 aborts with status 7', 'rank 3 aborts with status 7']);
  expect(ranks[3].stderr).toContain('rank 3 aborts the job with status 7: as asked');
});

test('a rank that ends before the barrier of the start does not keep the others waiting', async () => {
  const job = {
    program: 'test/guest/nodes/programs/who',
    words: ['leave'],
    ranksPerNode: 1,
    timeoutSeconds: 30,
  };
  const { ranks, killed } = await onTwoNodes(job, 7093);
  expect(killed[0]).toMatch(/rank 0 waits in a barrier for rank 1, which has ended/);
  expect(ranks.map(({ status }) => status)).toEqual([null, 3]);
});
