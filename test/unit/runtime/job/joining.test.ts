/** How ranks come together: signals, strangers, too few descriptors, and what is no rank. */
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { closeSync, openSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, onTestFinished, test } from 'vitest';
import { addon } from '../../../../native/addon.ts';
import { dregrun, fixture, startDregrun, temporaryFolder, until } from '../../../tools/launcher.ts';

const JOINS = fixture('joins.mjs');
const folder = temporaryFolder();
afterAll(() => folder.remove());

describe('the sockets by which descriptors travel', () => {
  const { EMFILE, EPERM, EPIPE, ETIMEDOUT } = constants.errno;
  const open: number[] = [];
  afterEach(() => {
    for (const fd of open.splice(0)) addon().closeFd(fd);
  });
  const opened = (fd: number): number => {
    expect(fd).toBeGreaterThan(0);
    open.push(fd);
    return fd;
  };
  const name = () => `dreg-mpi/test/${randomUUID()}`;

  function pair() {
    const from = name();
    const to = name();
    const sender = opened(addon().fdSenderBind(from));
    return { from, to, sender, receiver: opened(addon().fdReceiverBind(to, from)) };
  }

  test('bring what the sender sends', () => {
    const { to, sender, receiver } = pair();
    const files = [openSync('/dev/null', 'r'), openSync('/dev/zero', 'r')];
    expect(addon().fdSocketSend(sender, to, files)).toBe(0);
    for (const fd of files) closeSync(fd);
    const received = addon().fdSocketReceive(receiver, 1000);
    for (const fd of received as number[]) opened(fd);
    const links = (received as number[]).map((fd) => readlinkSync(`/proc/self/fd/${fd}`));
    expect(links).toEqual(['/dev/null', '/dev/zero']);
  });

  test('take nothing of a stranger, whatever it sends and to whom', () => {
    const { from, to, receiver } = pair();
    const stranger = opened(addon().fdSenderBind(name()));
    const file = opened(openSync('/dev/null', 'r'));
    expect(addon().fdSocketSend(stranger, to, [file])).toBe(-EPERM);
    expect(addon().fdSocketSend(stranger, from, [file])).toBe(-EPIPE);
    expect(addon().fdSocketReceive(receiver, 0)).toBe(-ETIMEDOUT);
  });

  test('a process that may not have so many descriptors hears so, and has none of them', () => {
    const { to, sender, receiver } = pair();
    const file = opened(openSync('/dev/null', 'r'));
    const [, soft] =
      /^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? [];
    const limit = (most: string) =>
      execFileSync('prlimit', ['--pid', String(process.pid), `--nofile=${most}:`]);
    const filling: number[] = [];
    onTestFinished(() => {
      for (const fd of filling) closeSync(fd);
      limit(soft);
    });
    limit('300');
    expect(addon().fdSocketSend(sender, to, new Array(20).fill(file))).toBe(0);
    expect(() => {
      for (;;) filling.push(openSync('/dev/null', 'r'));
    }).toThrow('EMFILE');
    for (const fd of filling.splice(-10)) closeSync(fd);
    const answer = addon().fdSocketReceive(receiver, 1000);
    // As many places are free as before: none of them is taken by what was sent.
    for (let free = 0; free < 10; free++) filling.push(openSync('/dev/null', 'r'));
    expect(answer).toBe(-EMFILE);
  });
});

describe('joining', () => {
  // Node's own handler of SIGUSR1 does not have system calls go on.
  test('a signal while a rank waits for the others is no error', async () => {
    const go = join(folder.path, 'go');
    const job = startDregrun(['-n', '2', JOINS, go]);
    const rank0 = () => Number(/rank 0 is (\d+)\n/.exec(job.seen())?.[1]);
    // Number, arguments, …: read(2) of the PMI connection.
    const waits = (pid: number) =>
      pid > 0 && readFileSync(`/proc/${pid}/syscall`, 'latin1').startsWith('0 0x3 ');
    await until('rank 0 waits', () => waits(rank0()));
    process.kill(rank0(), 'SIGUSR1');
    writeFileSync(go, '');
    const { status, stdout } = await job.ended;
    expect(stdout.match(/joined 2/g)).toHaveLength(2);
    expect(status).toBe(0);
  });

  test.each(['1.x', '1.%', '1.null', '1.{}', '1.[]', '1.%7B%22node%22:1%7D', 'x'])(
    'an address that is none (%s) is ERR_LAUNCH',
    async (address) => {
      const { stdout } = await dregrun(['-n', '2', fixture('publishes.mjs'), address]);
      expect(stdout).toMatch(
        /^ERR_LAUNCH .*(rank 1 published no address of ours|holds no value of ours)/m,
      );
    },
  );
});

test('a rank that has made no segment for the others is named, and they are told to look at it', async () => {
  const { stdout } = await dregrun(['-n', '2', fixture('publishes.mjs'), 'gone']);
  expect(stdout).toMatch(
    /^ERR_LAUNCH rank 0 did not hand over the shared segment \(ECONNREFUSED\): look at that rank's output/m,
  );
});

describe('what a rank starts before it has joined', () => {
  test.each([
    ['json', 'it is the channel to its parent'],
    ['advanced', 'it is the channel to its parent'],
    ['pipe', 'it is shared with process'],
  ])('is no rank, and says so (%s); the rank joins all the same', async (how, message) => {
    const { status, stdout } = await dregrun(['-n', '2', fixture('forks.mjs'), how]);
    expect(stdout.match(/^ERR_LAUNCH PMI_FD=3 is not the launcher's/gm)).toHaveLength(2);
    expect(stdout).toContain(message);
    expect(stdout.match(/the parent joined 2/g)).toHaveLength(2);
    expect(status).toBe(0);
  });

  test('a dregrun that a rank starts runs a job of its own', async () => {
    const nested = `exec "${process.execPath}" dist/bundle/dregrun.js -n 2 "${JOINS}"`;
    const { status, stdout } = await dregrun(['-n', '1', 'sh', '-c', nested]);
    expect(stdout.match(/joined 2/g)).toHaveLength(2);
    expect(status).toBe(0);
  });
});
