/** Nothing outlives a job: no rank, no child of a rank, whatever ends dregrun. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { packageRoot } from '../../../../native/addon.ts';
import {
  fixture,
  killSurvivors,
  type Running,
  start,
  startDregrun,
  survivors,
  temporaryFolder,
  until,
} from '../../../tools/launcher.ts';

const folder = temporaryFolder();
afterAll(() => folder.remove());
const FAMILY = fixture('family.sh');
const sh = (script: string) => ['--', 'sh', '-c', script];

/** Two ranks, each with a child and a grandchild. */
async function families(): Promise<Running> {
  const job = startDregrun(['-n', '2', FAMILY]);
  await until('the families are complete', () => job.seen() === 'ready\nready\n');
  // A process that is just being executed has no environment for a moment.
  await until('all are found', () => survivors(job.mark).length >= 7);
  return job;
}

/** The keeper has an empty environment: it is known by its parent and its name. */
function keeperOf(pid: number): number {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim().split(' ');
  const keeper = children.find((child) =>
    readFileSync(`/proc/${child}/cmdline`, 'latin1').includes('dregrun-keeper'),
  );
  return Number(keeper);
}

test('the hunt for survivors finds what is there', async () => {
  const job = start('sh', ['-c', 'setsid sleep 1000 & echo ready; wait']);
  await until('it is ready', () => job.seen() === 'ready\n');
  await until('the child is found', () => survivors(job.mark).length === 2);
  killSurvivors(job.mark);
  await job.ended;
  await until('nothing is left', () => survivors(job.mark).length === 0);
});

describe('grandchildren end with', () => {
  test('a job that goes well', async () => {
    const job = startDregrun(['-n', '2', ...sh('sleep 1000 & exit 0')]);
    expect((await job.ended).status).toBe(0);
    expect(survivors(job.mark)).toEqual([]);
  });

  test('a job that goes well, though they ignore SIGTERM and hold its output open', async () => {
    const job = startDregrun([
      '-n',
      '2',
      ...sh('trap "" TERM; (while :; do sleep 0.1; done) & exit 0'),
    ]);
    expect((await job.ended).status).toBe(0);
    expect(survivors(job.mark)).toEqual([]);
  });

  test('a rank that fails', async () => {
    const job = startDregrun(['-n', '2', ...sh('sleep 1000 & [ $PMI_RANK = 0 ] && wait; exit 5')]);
    expect((await job.ended).status).toBe(5);
    expect(survivors(job.mark)).toEqual([]);
  });

  test('SIGTERM to dregrun', async () => {
    const job = await families();
    job.child.kill('SIGTERM');
    expect((await job.ended).status).toBe(143);
    expect(survivors(job.mark)).toEqual([]);
  });

  test('SIGKILL to dregrun', async () => {
    const job = await families();
    job.child.kill('SIGKILL');
    await until('all are gone', () => survivors(job.mark).length === 0);
  });
});

describe('SIGKILL to dregrun while it starts its ranks leaves nothing', () => {
  const library = join(folder.path, 'kill-at.so');
  beforeAll(() => {
    const source = join(packageRoot(), 'test/unit/runtime/launch/kill-at.c');
    execFileSync('gcc', ['-shared', '-fPIC', '-o', library, source]);
  });

  const calls = ['setsid', 'prctl', 'write', 'dup2', 'execvpe'];
  const moments = [
    ...['setsid', 'dup2', 'execvpe'].map((call) => `1 ${call}`),
    ...[2, 3].flatMap((child) => calls.map((call) => `${child} ${call}`)),
    ...[2, 3].flatMap((child) => ['dup2', 'execvpe'].map((call) => `${child} ${call} alone`)),
  ];
  test.each(moments)('child and call: %s', async (moment) => {
    const job = startDregrun(['-n', '2', ...sh('sleep 1000 & exec sleep 1000')], {
      environment: { LD_PRELOAD: library, KILL_AT: moment },
    });
    const { signal } = await job.ended;
    expect(signal).toBe('SIGKILL');
    await until('all are gone', () => survivors(job.mark).length === 0);
  });

  test('also by a rank, as the first that it does', async () => {
    const deed = 'sleep 1000 & kill -KILL $DREG_LAUNCHER_PID; exec sleep 1000';
    const job = startDregrun(['-n', '4', ...sh(deed)]);
    expect((await job.ended).signal).toBe('SIGKILL');
    await until('all are gone', () => survivors(job.mark).length === 0);
  });
});

test('what holds the output open from a session of its own does not hold the job up', async () => {
  const job = startDregrun(['-n', '2', ...sh('setsid sleep 1000 & echo said')]);
  await until('dregrun has ended', () => job.child.exitCode !== null);
  expect(job.child.exitCode).toBe(0);
  await until('what was said is here', () => job.seen() === 'said\nsaid\n');
});

describe('the keeper', () => {
  test('is gone after a job, and takes nothing with it', async () => {
    const job = startDregrun(['-n', '2', FAMILY]);
    await until('the families are complete', () => job.seen() === 'ready\nready\n');
    const keeper = keeperOf(job.pid);
    expect(keeper).toBeGreaterThan(1);
    job.child.kill('SIGINT');
    await job.ended;
    await until('the keeper is gone', () => {
      try {
        return !readFileSync(`/proc/${keeper}/cmdline`, 'latin1').includes('dregrun-keeper');
      } catch {
        return true;
      }
    });
  });

  test('does not outlive dregrun’s SIGKILL either', async () => {
    const job = await families();
    const keeper = keeperOf(job.pid);
    job.child.kill('SIGKILL');
    await until('the keeper is gone', () => {
      try {
        return /^State:\s+Z/m.test(readFileSync(`/proc/${keeper}/status`, 'latin1'));
      } catch {
        return true;
      }
    });
  });

  test('may be killed: the job goes on, and our ranks end with dregrun all the same', async () => {
    const job = startDregrun(['-n', '2', fixture('act.mjs'), 'sleep']);
    await until('both ranks have joined', () => job.seen().split('joined').length === 3);
    process.kill(keeperOf(job.pid), 'SIGKILL');
    // Rank 1 sleeps outside of PMI: only the kernel can end it.
    job.child.kill('SIGKILL');
    await until('all are gone', () => survivors(job.mark).length === 0);
  });
});
