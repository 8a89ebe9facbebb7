/** A Slurm cluster of this machine alone: munged, slurmctld and slurmd, for one test file (Debian: slurmctld, slurmd). */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { canTest, until } from './launcher.ts';

const PROGRAMS = ['munged', 'slurmctld', 'slurmd', 'srun'];

/** As root, with Debian's packages slurmctld, slurmd, slurm-client, slurm-wlm-basic-plugins and munge. */
export const canTestSlurm = () =>
  process.env.CI === 'true' || (process.getuid?.() === 0 && PROGRAMS.every(canTest));

export interface Slurm {
  /** What its programs find it by. */
  configuration: string;
  stop(): Promise<void>;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function configure(folder: string, host: string): Promise<string> {
  const at = (name: string) => join(folder, name);
  const lines = [
    'ClusterName=dreg',
    `SlurmctldHost=${host}(127.0.0.1)`,
    `SlurmctldPort=${await freePort()}`,
    `SlurmdPort=${await freePort()}`,
    'SlurmUser=root',
    'AuthType=auth/munge',
    `AuthInfo=socket=${at('munge.socket')}`,
    'CredType=cred/munge',
    `StateSaveLocation=${at('state')}`,
    `SlurmdSpoolDir=${at('spool')}`,
    `SlurmctldPidFile=${at('slurmctld.pid')}`,
    `SlurmdPidFile=${at('slurmd.pid')}`,
    'ProctrackType=proctrack/linuxproc',
    'TaskPlugin=task/none',
    'JobAcctGatherType=jobacct_gather/none',
    'SelectType=select/linear',
    'SwitchType=switch/none',
    'MpiDefault=none',
    'ReturnToService=2',
    // Fewer than there are is no error; tasks share it (srun --overcommit).
    `NodeName=${host} NodeAddr=127.0.0.1 CPUs=1 State=UNKNOWN`,
    'PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP',
  ];
  writeFileSync(at('slurm.conf'), `${lines.join('\n')}\n`);
  return at('slurm.conf');
}

export async function startSlurm(folder: string): Promise<Slurm> {
  const host = hostname().split('.')[0];
  for (const name of ['state', 'spool']) mkdirSync(join(folder, name));
  const configuration = await configure(folder, host);
  const env = { ...process.env, SLURM_CONF: configuration };
  const daemons: ChildProcess[] = [];
  const log = (name: string) => join(folder, `${name}.log`);
  // A daemon ends with this process, however this process ends.
  const daemon = (name: string, words: string[]) => {
    const output = openSync(log(name), 'w');
    const command = ['--pdeathsig', 'KILL', name, ...words];
    daemons.push(spawn('setpriv', command, { env, stdio: ['ignore', output, output] }));
  };
  const at = (name: string) => join(folder, name);
  writeFileSync(at('munge.key'), randomBytes(1024), { mode: 0o600 });
  const files = ['key', 'pid', 'seed'].map((name) => `--${name}-file=${at(`munge.${name}`)}`);
  const munge = ['--foreground', '--force', '--num-threads=2', `--socket=${at('munge.socket')}`];
  daemon('munged', [...munge, ...files, `--log-file=${at('munge.log')}`]);
  await until('munged answers', () =>
    works(() => execFileSync('munge', ['-n', '-S', at('munge.socket')], { stdio: 'ignore' })),
  );
  daemon('slurmctld', ['-D']);
  daemon('slurmd', ['-D']);
  const state = () => execFileSync('sinfo', ['-h', '-o', '%T'], { env, stdio: 'pipe' }).toString();
  try {
    await until('the node is idle', () => works(() => state()) && /^idle$/m.test(state()));
  } catch (error) {
    const told = ['slurmctld', 'slurmd'].map((name) => readFileSync(log(name), 'utf8'));
    throw new Error(`${(error as Error).message}\n${told.join('\n')}`);
  }
  return {
    configuration,
    async stop() {
      for (const child of daemons.reverse()) {
        const ended = child.exitCode !== null || child.signalCode !== null;
        child.kill('SIGKILL');
        if (!ended) await once(child, 'exit');
      }
    },
  };
}

function works(call: () => unknown): boolean {
  try {
    call();
    return true;
  } catch {
    return false;
  }
}
