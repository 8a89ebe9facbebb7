/** Shared memory on a node as jobs see it: private, nameless, whatever /dev/shm and the kernel allow. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  expectCases,
  type JobEnded,
  listJobs,
  runJob,
  runLaunch,
  someJobs,
  sortedLines,
  together,
} from '../run.ts';

const jobs = listJobs();
const three = together(jobs, 3);
const few = together(someJobs(jobs), 3);

interface Seen {
  segments: number;
  mode: number[];
  mapped: string[];
  shm: string[];
}

const seenBy = (job: JobEnded) => sortedLines(job.stdout).map((line) => JSON.parse(line) as Seen);
const alone: Seen = { segments: 2, mode: [0o600, 0o600], mapped: [], shm: [] };

/** Runs a command in a mount namespace whose /dev/shm is a tmpfs of its own; says what is left in it. */
const privateShm = (setUp: string) => [
  ...['unshare', '-m', 'sh', '-c'],
  `mount -t tmpfs -o size=64k none /dev/shm && ${setUp} && "$@"; status=$?; ls -A /dev/shm >&2; exit $status`,
  'sh',
];
const canUnshare =
  process.env.CI === 'true' ||
  (() => {
    try {
      execFileSync('unshare', ['-m', 'mount', '-t', 'tmpfs', 'none', '/dev/shm'], {
        stdio: 'ignore',
      });
      return true;
    } catch {
      return false;
    }
  })();

describe.skipIf(!canUnshare)('with a /dev/shm of its own (needs root: unshare -m)', () => {
  test('the segment is private and has no name anywhere', async () => {
    const job = await runJob('jobs/environment/programs/segment', {
      ranks: 2,
      under: privateShm('true'),
    });
    expect({ ...job, stdout: '' }).toMatchObject({ status: 0, stderr: '', orphans: [] });
    expect(seenBy(job)).toEqual([alone, alone]);
  });

  test('nothing is left when a rank is killed', async () => {
    const job = await runJob('jobs/environment/programs/segment', {
      ranks: 2,
      words: ['killed'],
      under: privateShm('true'),
    });
    expect(job).toMatchObject({ status: 137, orphans: [] });
    // The list of what is on /dev/shm would come last.
    expect(job.stderr.trim().split('\n').at(-1)).toMatch(/^dregrun: rank 1 .*SIGKILL/);
  });

  test.each([
    ['full', 'head -c 65536 /dev/zero >/dev/shm/x; rm -f /dev/shm/y; ! echo >/dev/shm/y'],
    ['read-only', 'mount -o remount,ro /dev/shm'],
    ['away', 'umount /dev/shm && mount -t tmpfs -o ro,size=4k none /dev/shm'],
  ])('a /dev/shm that is %s does not matter', async (_how, setUp) => {
    expectCases(await runLaunch(few, { under: privateShm(`{ ${setUp}; }`) }), few);
  });
});

const folder = mkdtempSync(join(tmpdir(), 'dreg-jobs-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Makes a command under which two system calls fail with an errno. */
function refuse(first: string, second: string, errno: string): string {
  const command = join(folder, `${first}-${second}`);
  writeFileSync(`${command}.c`, REFUSE);
  const macros = [`-DFIRST=SYS_${first}`, `-DSECOND=SYS_${second}`, `-DERROR=${errno}`];
  execFileSync('gcc', ['-O1', '-Wall', '-Werror', ...macros, '-o', command, `${command}.c`]);
  return command;
}

describe('where processes may not read each other (process_vm_readv refused)', () => {
  let refused: string;
  beforeAll(() => {
    refused = refuse('process_vm_readv', 'process_vm_writev', 'EPERM');
  });

  test.each([
    ['auto', three],
    ['always', few],
  ])('all messages arrive all the same, single copy %s', async (singleCopy, launch) => {
    const environment = { DREG_SINGLE_COPY: singleCopy };
    const job = await runLaunch(launch, { under: [refused], environment });
    expectCases(job, launch);
    const said = sortedLines(job.stderr);
    // Once a rank, not once a peer or a message.
    expect(said).toHaveLength(3);
    for (const [rank, line] of said.entries()) {
      expect(line).toContain(`rank ${rank} may not read the memory of rank`);
      expect(line).toContain('EPERM');
    }
  });

  test('buffers next to every threshold, truncation', async () => {
    const names = ['point-to-point/thresholds', 'point-to-point/truncation'];
    const found = jobs.filter(({ name }) => names.includes(name));
    const pair = { ranks: 2, jobs: found, settings: {}, nodeOptions: [] };
    expectCases(await runLaunch(pair, { under: [refused] }), pair);
  });
});

test.each([
  ['memfd_create', 'ENOMEM', 'ERR_NO_MEM'],
  ['memfd_create', 'EMFILE', 'ERR_SYSTEM'],
  ['fallocate', 'ENOSPC', 'ERR_NO_MEM'],
])('%s that fails with %s is %s, and no hang', async (call, errno, code) => {
  const job = await runJob('jobs/environment/programs/segment', {
    ranks: 2,
    under: [refuse(call, call, errno)],
  });
  expect(job).toMatchObject({ status: 1, stdout: '', orphans: [], shared: [] });
  expect(job.stderr).toMatch(new RegExp(`MpiError: .*${call} failed with ${errno}`));
  expect(job.stderr).toContain(`code: '${code}'`);
});

/** Runs a program to which the kernel refuses two system calls. */
const REFUSE = `
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char** argv) {
  struct sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, FIRST, 1, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SECOND, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ERROR),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
  if (argc < 2 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
      prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) {
    perror("refuse");
    return 125;
  }
  execvp(argv[1], argv + 1);
  perror(argv[1]);
  return 127;
}
`;
