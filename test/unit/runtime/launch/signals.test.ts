/** Signals to dregrun reach its ranks and end the job. */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { ECHO_MS } from '../../../../runtime/launch/job-run.ts';
import { fixture, insist, startDregrun, survivors, until } from '../../../tools/launcher.ts';

const sh = (script: string) => ['--', 'sh', '-c', script];
/** A rank that says which signal it heard. */
const LISTENER = `
  for s in INT TERM HUP QUIT USR1 USR2; do trap "echo heard $s; exit 0" $s; done
  echo ready; while :; do sleep 0.05; done
`;

const count = (text: string, word: string) => text.split(word).length - 1;

describe('ends the job', () => {
  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
    ['SIGQUIT', 131],
  ] as const)(
    '%s: forwarded as it is, status %i whatever the ranks say',
    async (signal, status) => {
      const job = startDregrun(['-n', '2', ...sh(LISTENER)]);
      await until('both ranks are ready', () => count(job.seen(), 'ready') === 2);
      job.child.kill(signal);
      const ended = await job.ended;
      expect(ended.status).toBe(status);
      // The shells may name the signal that ended their sleep.
      expect(ended.stderr).not.toContain('dregrun');
      expect(count(ended.stdout, `heard ${signal.slice(3)}`)).toBe(2);
      expect(survivors(job.mark)).toEqual([]);
    },
  );

  test('SIGINT reaches ranks of Node that wait in a fence', async () => {
    const job = startDregrun(['-n', '3', fixture('act.mjs'), 'sleep']);
    await until('all ranks have joined', () => count(job.seen(), 'joined') === 3);
    job.child.kill('SIGINT');
    expect((await job.ended).status).toBe(130);
    expect(survivors(job.mark)).toEqual([]);
  });

  test('a second one, later, kills ranks that do not listen', async () => {
    const stubborn = 'trap "echo heard" INT; echo ready; while :; do sleep 0.05; done';
    const job = startDregrun(['-n', '2', '--verbose', '--json', ...sh(stubborn)]);
    await until('both ranks are ready', () => count(job.seen(), 'ready') === 2);
    job.child.kill('SIGINT');
    await until('both ranks have heard it', () => count(job.seen(), 'heard') === 2);
    // A clock may stand a little behind another one.
    await sleep(2 * ECHO_MS);
    job.child.kill('SIGINT');
    const ended = await job.ended;
    expect(ended.status).toBe(130);
    expect(ended.stderr).toContain('SIGINT once more: SIGKILL');
    const { ranks } = JSON.parse(ended.stderr.trimEnd().split('\n').at(-1) ?? '');
    expect(ranks.map((rank: { signal: string }) => rank.signal)).toEqual(['SIGKILL', 'SIGKILL']);
  });

  test('also where a rank is stopped', async () => {
    const job = startDregrun(['-n', '2', ...sh('echo ready; kill -STOP $$')]);
    await until('both ranks are ready', () => count(job.seen(), 'ready') === 2);
    job.child.kill('SIGTERM');
    expect((await job.ended).status).toBe(143);
    expect(survivors(job.mark)).toEqual([]);
  });
});

test.each(['SIGUSR1', 'SIGUSR2'] as const)('%s is for the ranks alone', async (signal) => {
  const job = startDregrun(['-n', '2', ...sh(LISTENER)]);
  await until('both ranks are ready', () => count(job.seen(), 'ready') === 2);
  job.child.kill(signal);
  const ended = await job.ended;
  expect(ended.status).toBe(0);
  expect(count(ended.stdout, `heard ${signal.slice(3)}`)).toBe(2);
});

test('a rank that does not handle a signal yet is not ended by it, and gets it later', async () => {
  const late =
    'echo here; sleep 0.5; trap "echo heard; exit 0" USR1; echo ready; while :; do sleep 0.05; done';
  const job = startDregrun(['-n', '2', ...sh(late)]);
  await until('both ranks are there', () => count(job.seen(), 'here') === 2);
  job.child.kill('SIGUSR1');
  const { status, stdout } = await job.ended;
  expect({ status, heard: count(stdout, 'heard') }).toEqual({ status: 0, heard: 2 });
});

test('signals while the ranks start end no job', async () => {
  const job = startDregrun(['-n', '2', fixture('joins.mjs')]);
  // dregrun, its keeper, a rank.
  await until('the first rank has begun', () => survivors(job.mark).length >= 3);
  await insist(
    'the job has ended',
    () => job.child.kill('SIGUSR2'),
    () => job.child.exitCode !== null || job.child.signalCode !== null,
  );
  const { status, stdout } = await job.ended;
  expect({ status, joined: count(stdout, 'joined 2') }).toEqual({ status: 0, joined: 2 });
});

test('the terminal’s stop and continue take the ranks along', async () => {
  const job = startDregrun(['-n', '2', ...sh('echo $$; while :; do sleep 0.05; done')]);
  await until('both ranks are there', () => count(job.seen(), '\n') === 2);
  const pids = job.seen().trimEnd().split('\n').map(Number);
  const stopped = (pid: number) =>
    /^State:\s+T/m.test(readFileSync(`/proc/${pid}/status`, 'latin1'));
  job.child.kill('SIGTSTP');
  await until('dregrun and its ranks are stopped', () => [job.pid, ...pids].every(stopped));
  job.child.kill('SIGCONT');
  await until('all run again', () => ![job.pid, ...pids].some(stopped));
  job.child.kill('SIGTERM');
  expect((await job.ended).status).toBe(143);
});
