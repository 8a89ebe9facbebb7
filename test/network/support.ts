/** What tests on two hosts share: whether there can be hosts, and jobs on them. */
import { beforeEach } from 'vitest';
import { type JobEnded, runCommand } from '../jobs/run.ts';
import { canTest, type Running, type StartOptions, start } from '../tools/launcher.ts';
import { HOSTS, type Hosts, type HydraJob, LAUNCHER_ENVIRONMENT } from './hosts.ts';

const PROGRAMS = ['ip', 'tc', 'nsenter', 'unshare', 'nft', 'pgrep', 'cc', 'mpiexec.hydra'];

function lacking(): string | undefined {
  if (process.getuid?.() !== 0) return 'only root may make network namespaces';
  const missing = PROGRAMS.filter((one) => !canTest(one));
  if (missing.length === 0) return undefined;
  return `not found: ${missing.join(', ')} (Debian: iproute2 util-linux nftables procps gcc mpich)`;
}

/**
 * For test files that need hosts: where there can be none, each test is skipped with the reason, and under
 * CI fails. Says whether there can be, for what runs before the tests.
 */
export function needHosts(): boolean {
  const reason = lacking();
  beforeEach((context) => {
    if (reason === undefined) return;
    if (process.env.CI === 'true') throw new Error(`${reason}; under CI nothing may be skipped`);
    context.skip(reason);
  });
  return reason === undefined;
}

const environmentOf = (set: NodeJS.ProcessEnv = {}) => ({ ...LAUNCHER_ENVIRONMENT, ...set });

/** Starts ranks on both hosts. */
export function startOn(hosts: Hosts, job: HydraJob, options: StartOptions = {}): Running {
  const [file, ...words] = hosts.mpiexec(job);
  return start(file, words, { ...options, environment: environmentOf(options.environment) });
}

/** Runs ranks on both hosts to their end; `shared` is what they left in either host's /dev/shm. */
export async function runOn(
  hosts: Hosts,
  job: HydraJob,
  environment: Record<string, string> = {},
): Promise<JobEnded> {
  const ended = await runCommand(hosts.mpiexec(job), environmentOf(environment));
  const left = await Promise.all(HOSTS.map((host) => hosts.run(host, 'ls', '/dev/shm')));
  return { ...ended, shared: left.join('').split('\n').filter(Boolean) };
}
