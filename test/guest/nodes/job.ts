/** One node's part of a job over several: starts this node's ranks and sees how they end. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { packageRoot } from '../../../native/addon.ts';
import { jobEnvironment, PMI_FD, rankEnvironment } from '../../../runtime/launch/environment.ts';
import { connectTo, PmiService } from './pmi-service.ts';

export interface NodeJob {
  /** Below dist/, without .js. */
  program: string;
  words?: string[];
  /** Ranks of the job on each of the two nodes: node 0 has the lower numbers. */
  ranksPerNode: number;
  environment?: Record<string, string>;
  nodeOptions?: string[];
  timeoutSeconds?: number;
  /** How long node 0 serves on after its own ranks have ended: the others may have farther to go. */
  lingerSeconds?: number;
}

/** Where this process is among the nodes. */
export interface Place {
  node: number;
  /** Address of node 0. */
  server: string;
  port: number;
}

export interface RankEnd {
  rank: number;
  /** null where a signal ended it. */
  status: number | null;
  stdout: string;
  stderr: string;
}

export interface NodeEnd {
  ranks: RankEnd[];
  /** Why they were killed, if they were. */
  killed: string | undefined;
}

const NODES = 2;
/** Two guests share this machine: a rank that polls takes the processor from what it waits for. */
const NO_SPINNING = { DREG_SPIN_POLLS: '0' };
/** Ends what hangs; two guests on a machine that others use, too, are slow. */
const DEFAULT_TIMEOUT_SECONDS = 120;
const DEFAULT_LINGER_SECONDS = 20;

/** Runs this node's ranks to their end. Each node calls it with the same job. */
export async function runNodeJob(job: NodeJob, place: Place): Promise<NodeEnd> {
  const { node, server, port } = place;
  const size = NODES * job.ranksPerNode;
  const jobId = `nodes_${port}`;
  const service = node === 0 ? new PmiService(jobId, size) : undefined;
  await service?.listen(port);
  const control = await connectTo(server, port, 'node', node);
  const children: ChildProcess[] = [];
  let killed: string | undefined;
  const killAll = (why: string) => {
    killed ??= why;
    for (const child of children) child.kill('SIGKILL');
  };
  control.on('data', (text: Buffer) => killAll(text.toString().trim()));
  control.on('error', () => control.destroy());
  const seconds = job.timeoutSeconds ?? DEFAULT_TIMEOUT_SECONDS;
  const timer = setTimeout(() => killAll(`they took longer than ${seconds} s`), seconds * 1000);
  const environment = {
    ...jobEnvironment(process.env, {
      jobId,
      ranks: size,
      binding: 'none',
      cores: 2,
      transport: undefined,
      columns: undefined,
      exports: new Map(Object.entries({ ...NO_SPINNING, ...job.environment })),
    }),
  };
  const ranks = await Promise.all(
    Array.from({ length: job.ranksPerNode }, async (_, i) => {
      const rank = node * job.ranksPerNode + i;
      const pmi = await connectTo(server, port, 'rank', rank);
      const child = startRank(job, rankEnvironment(environment, rank), pmi);
      children.push(child);
      return endOf(child, rank);
    }),
  );
  clearTimeout(timer);
  control.end();
  await service?.idle(1000 * (job.lingerSeconds ?? DEFAULT_LINGER_SECONDS));
  service?.close();
  control.destroy();
  return { ranks, killed };
}

function startRank(job: NodeJob, env: NodeJS.ProcessEnv, pmi: Socket): ChildProcess {
  const file = join(packageRoot(), 'dist', `${job.program}.js`);
  const words = [...(job.nodeOptions ?? []), file, ...(job.words ?? [])];
  const stdio: ('ignore' | 'pipe' | Socket)[] = ['ignore', 'pipe', 'pipe'];
  stdio[PMI_FD] = pmi;
  const child = spawn(process.execPath, words, { env, stdio });
  // The rank has its own descriptor of it by now.
  pmi.destroy();
  return child;
}

async function endOf(child: ChildProcess, rank: number): Promise<RankEnd> {
  const text = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const)
    child[name]!.on('data', (bytes) => {
      text[name] += bytes;
    });
  const [status] = (await once(child, 'close')) as [number | null];
  return { rank, status, ...text };
}
