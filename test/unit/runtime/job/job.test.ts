/** The rank's end of PMI: what joinJob() makes of launchers and environments, good and bad. */
import { spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { packageRoot } from '../../../../native/addon.ts';
import { joinJob } from '../../../../runtime/job/join.ts';
import { canTest, DREGRUN, dregrun, fixture, start } from '../../../tools/launcher.ts';

const EXCHANGE = fixture('exchange.mjs');
const ACT = fixture('act.mjs');

const exchanged = (size: number, launcher: string) =>
  Array.from(
    { length: size },
    (_, rank) => `rank ${rank} of ${size} launcher ${launcher} right ${size} missing true\n`,
  );
const sorted = (text: string) => text.split(/(?<=\n)/).sort();

describe('without a launcher', () => {
  test('a process is the only rank of its own job', () => {
    const job = joinJob({});
    expect(job).toMatchObject({ rank: 0, size: 1, launcher: 'singleton' });
    expect(job.jobId).not.toBe(joinJob({}).jobId);
    job.put('a', 'b');
    job.fence();
    expect(job.get('a', 0)).toBe('b');
    expect(job.get('c', 0)).toBeUndefined();
    job.finalize();
  });

  test('its abort is its exit status, and says why', async () => {
    const { status, stderr } = await start(process.execPath, [ACT, 'abort:9', '0']).ended;
    expect(status).toBe(9);
    expect(stderr).toContain('as told');
  });
});

describe('an environment that no launcher made', () => {
  test.each([
    [{ PMI_RANK: '0', PMI_SIZE: '2' }, 'PMI_FD is not set'],
    [{ PMI_FD: '3', PMI_RANK: '0' }, 'PMI_SIZE is not set'],
    [{ PMI_FD: '3', PMI_SIZE: '2' }, 'PMI_RANK is not set'],
    [{ PMI_FD: 'x', PMI_RANK: '0', PMI_SIZE: '2' }, 'PMI_FD="x"'],
    [{ PMI_FD: '-1', PMI_RANK: '0', PMI_SIZE: '2' }, 'PMI_FD="-1"'],
    [{ PMI_FD: '99999999999', PMI_RANK: '0', PMI_SIZE: '2' }, 'PMI_FD="99999999999"'],
    [{ PMI_FD: '3', PMI_RANK: '2', PMI_SIZE: '2' }, 'PMI_RANK="2"'],
    [{ PMI_FD: '3', PMI_RANK: '-1', PMI_SIZE: '2' }, 'PMI_RANK="-1"'],
    [{ PMI_FD: '3', PMI_RANK: '', PMI_SIZE: '2' }, 'PMI_RANK=""'],
    [{ PMI_FD: '3', PMI_RANK: '0', PMI_SIZE: '0' }, 'PMI_SIZE="0"'],
    [{ PMI_FD: '3', PMI_RANK: '0', PMI_SIZE: '1.5' }, 'PMI_SIZE="1.5"'],
    [{ PMI_FD: '65000', PMI_RANK: '0', PMI_SIZE: '2' }, 'PMI_FD=65000 is not open'],
    [{ PMI_FD: '0', PMI_RANK: '0', PMI_SIZE: '2' }, 'PMI_FD=0 is no socket'],
    [{ PMI_PORT: 'host:1234' }, 'PMI_PORT'],
  ])('%j is ERR_LAUNCH', async (environment, message) => {
    const { stdout } = await start(process.execPath, [ACT, 'none'], {
      environment,
      stdio: ['ignore', 'pipe', 'pipe'],
    }).ended;
    expect(stdout).toMatch(/^ERR_LAUNCH: /);
    expect(stdout).toContain(message);
  });
});

/** As root, or where users may make namespaces. */
const unshare = ['unshare', '--user', '--map-root-user', '--mount', '--pid', '--fork'];
const namespaces = () => spawnSync(unshare[0], [...unshare.slice(1), 'true']).status === 0;

test.skipIf(process.env.CI !== 'true' && !namespaces())(
  'a /proc that shows processes alone (needs unshare) is enough',
  async () => {
    const program = join(packageRoot(), 'dist/bundle/trial.js');
    const script = `mount -t proc -o subset=pid proc /proc && exec "$0" "$@"`;
    const words = ['sh', '-c', script, process.execPath, DREGRUN, '-n', '2', program];
    const { status, stdout, stderr } = await start(unshare[0], [...unshare.slice(1), ...words])
      .ended;
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(JSON.parse(stdout)).toMatchObject({ intact: true });
  },
);

describe('values', () => {
  test.each([
    ['dregrun', 20],
    ['dregrun', 1000],
    ['dregrun', 20_000],
  ])('pass through %s at a length of %i', async (launcher, length) => {
    const { status, stdout } = await dregrun(['-n', '3', EXCHANGE, String(length)]);
    expect(sorted(stdout)).toEqual(exchanged(3, launcher));
    expect(status).toBe(0);
  });

  test.skipIf(!canTest('mpiexec.hydra')).each([20, 1000, 20_000])(
    'pass through mpiexec.hydra (Debian: mpich) at a length of %i',
    async (length) => {
      const ended = await start('mpiexec.hydra', [
        ...['-n', '4', process.execPath],
        ...[EXCHANGE, String(length)],
      ]).ended;
      expect(sorted(ended.stdout)).toEqual(exchanged(4, 'pmi1'));
      expect(ended.status).toBe(0);
    },
  );

  test('a program that a rank starts is no rank: no descriptor, no variables', async () => {
    const { stdout, status } = await dregrun(['-n', '2', fixture('parent.mjs')]);
    expect(stdout).toBe('sockets 0 singleton 1\n'.repeat(2));
    expect(status).toBe(0);
  });
});

/** Starts a rank whose launcher is this function: it gets each request and may answer. */
async function underLauncher(
  answer: (line: string, pmi: Duplex) => string | undefined,
): Promise<string> {
  const child = spawn(process.execPath, [ACT, 'none'], {
    env: { ...process.env, PMI_FD: '3', PMI_RANK: '0', PMI_SIZE: '2' },
    stdio: ['ignore', 'pipe', 'inherit', 'pipe'],
  });
  const pmi = child.stdio[3] as Duplex;
  pmi.on('error', () => {});
  pmi.on('data', (bytes) => {
    for (const line of bytes.toString().trimEnd().split('\n')) {
      const text = answer(line, pmi);
      if (text !== undefined) pmi.write(text);
    }
  });
  let stdout = '';
  child.stdout?.on('data', (bytes) => {
    stdout += bytes;
  });
  await new Promise((resolve) => child.on('close', resolve));
  return stdout;
}

const GOOD: Record<string, string> = {
  'cmd=init': 'cmd=response_to_init pmi_version=1 pmi_subversion=1 rc=0\n',
  'cmd=get_maxes': 'cmd=maxes kvsname_max=256 keylen_max=64 vallen_max=1024\n',
  'cmd=get_my_kvsname': 'cmd=my_kvsname kvsname=k\n',
  'cmd=barrier_in': 'cmd=barrier_out\n',
  'cmd=finalize': 'cmd=finalize_ack\n',
};
const good = (line: string) => GOOD[line.split(' ')[0]];

describe('a launcher', () => {
  test('that does all right', async () => {
    expect(await underLauncher(good)).toMatch(/through\n$/);
  });

  test('whose answers come in pieces', async () => {
    const stdout = await underLauncher((line, pmi) => {
      const text = good(line);
      for (const letter of text) pmi.write(letter);
      return undefined;
    });
    expect(stdout).toMatch(/through\n$/);
  });

  test.each(['init', 'get_maxes', 'get_my_kvsname', 'barrier_in', 'finalize'])(
    'that dies in %s is ERR_LAUNCH, never a hang',
    async (cmd) => {
      const stdout = await underLauncher((line, pmi) => {
        if (!line.startsWith(`cmd=${cmd}`)) return good(line);
        pmi.destroy();
        return undefined;
      });
      expect(stdout).toMatch(new RegExp(`ERR_LAUNCH: rank 0: the launcher ended .* to ${cmd}`));
    },
  );

  test.each([
    ['cmd=init', 'cmd=response_to_init pmi_version=2 pmi_subversion=0 rc=-1\n', 'PMI 2.0'],
    ['cmd=init', 'hello\n', '"hello"'],
    ['cmd=init', '\n', '""'],
    ['cmd=init', 'cmd=maxes\n', 'cmd=maxes'],
    ['cmd=get_maxes', 'cmd=maxes kvsname_max=256 keylen_max=0 vallen_max=x\n', 'keylen_max=0'],
    ['cmd=get_my_kvsname', 'cmd=my_kvsname\n', 'no name'],
    ['cmd=barrier_in', 'cmd=barrier_out', 'ended'],
    ['cmd=barrier_in', 'x'.repeat(2_000_000), 'no end'],
  ])('that answers %s with %.40s', async (cmd, wrong, message) => {
    const stdout = await underLauncher((line, pmi) => {
      if (!line.startsWith(cmd)) return good(line);
      pmi.end(wrong);
      return undefined;
    });
    expect(stdout).toContain('ERR_LAUNCH');
    expect(stdout).toContain(message);
  });
});
