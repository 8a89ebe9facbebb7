/** The starter of jobs over several nodes, with two nodes made of this machine. */
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { expect, test } from 'vitest';
import { type NodeJob, runNodeJob } from './job.ts';

/** A port that nobody has. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await once(server.close(), 'close');
  return port;
}

/** Two nodes, one after the other in this process: DREG_NODE tells their ranks apart. */
async function onTwoNodes(job: Omit<NodeJob, 'timeoutSeconds'>) {
  const port = await freePort();
  const ends = [0, 1].map((node) =>
    runNodeJob(
      { ...job, timeoutSeconds: 240, environment: { ...job.environment, DREG_NODE: String(node) } },
      { node, server: '127.0.0.1', port },
    ),
  );
  const all = await Promise.all(ends);
  return { ranks: all.flatMap(({ ranks }) => ranks), killed: all.map(({ killed }) => killed) };
}

test('ranks of both nodes are in one job, and know who is near', async () => {
  const job = { program: 'programs/guest/nodes/programs/who', ranksPerNode: 2 };
  const { ranks, killed } = await onTwoNodes(job);
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
    program: 'programs/guest/nodes/programs/who',
    words: ['abort'],
    ranksPerNode: 2,
  };
  const { ranks, killed } = await onTwoNodes(job);
  expect(killed).toEqual(['rank 3 aborts with status 7', 'rank 3 aborts with status 7']);
  expect(ranks[3].stderr).toContain('rank 3 aborts the job with status 7: as asked');
});

test('a rank that ends before the barrier of the start does not keep the others waiting', async () => {
  const job = {
    program: 'programs/guest/nodes/programs/who',
    words: ['leave'],
    ranksPerNode: 1,
  };
  const { ranks, killed } = await onTwoNodes(job);
  expect(killed[0]).toMatch(/rank 0 waits in a barrier for rank 1, which has ended/);
  expect(ranks.map(({ status }) => status)).toEqual([null, 3]);
});
