/** --host, --hostfile and --ppn: which machines, and the launcher that a job on others is handed to. */
import { writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import type { RunCommand } from '../../../../runtime/launch/command-line/command.ts';
import { parseArguments } from '../../../../runtime/launch/command-line/parse.ts';
import { hand } from '../../../../runtime/launch/handing.ts';
import { canTest, dregrun, fixture, temporaryFolder } from '../../../tools/launcher.ts';

const folder = temporaryFolder();
afterAll(() => folder.remove());
const run = (...words: string[]) => parseArguments(words) as RunCommand;

function hostfile(text: string): string {
  const file = join(folder.path, 'hosts');
  writeFileSync(file, text);
  return file;
}

describe('the machines', () => {
  test('have names, and places where these are given', () => {
    expect(run('-H', 'a,b:4', 'x').hosts).toEqual([
      { name: 'a', places: undefined },
      { name: 'b', places: 4 },
    ]);
  });

  test('come from a file as MPICH and as Open MPI write it', () => {
    const file = hostfile('# two\na:2\n\nb slots=3 # more\nc.example.org\n');
    expect(run('--hostfile', file, 'x').hosts).toEqual([
      { name: 'a', places: 2 },
      { name: 'b', places: 3 },
      { name: 'c.example.org', places: undefined },
    ]);
  });

  test.each([['localhost'], [hostname()], [`localhost:2,${hostname()}`]])(
    '%s is this one',
    (host) => {
      expect(run('-n', '2', '--host', host, 'x').hosts).toEqual([]);
    },
  );

  test('so many ranks on each are so many in all', () => {
    expect(run('-N', '3', '-H', 'a,b', 'x')).toMatchObject({ ranks: 6, ranksPerHost: 3 });
    expect(run('-ppn', '3', 'x')).toMatchObject({ ranks: 3, hosts: [] });
    expect(run('-n', '5', '--ppn=3', '-H', 'a,b', 'x')).toMatchObject({ ranks: 5 });
  });

  test.each([
    [['-H', 'a,,b', 'x'], '"" is no host'],
    [['-H', 'a b', 'x'], '"a b" is no host'],
    [['--host=-oProxyCommand=x', 'x'], 'is no host'],
    [['-H', 'a:0', 'x'], '"a:0" is no host'],
    [['--hostfile', '/nowhere', 'x'], '--hostfile /nowhere: ENOENT'],
    [['-N', '0', 'x'], '--ppn 0: the number of ranks on each machine'],
    [['-N', '2', '-n', '3', 'x'], '3 ranks do not fit on 1 machine'],
    [['-N', '2', '-n', '5', '-H', 'a,b', 'x'], '5 ranks do not fit on 2 machine'],
  ])('%j is refused', (words, message) => {
    expect(() => run(...words)).toThrow(message);
  });

  test('a file that names none is refused', () => {
    expect(() => run('--hostfile', hostfile('# none\n'), 'x')).toThrow('it names no host');
  });
});

describe('a job on other machines', () => {
  const words = ['-H', 'alpha,beta', '-N', '1'];

  test('says what to install where no launcher is there that starts it', async () => {
    const { status, stderr } = await dregrun([...words, fixture('talks.mjs')], {
      environment: { PATH: '/nowhere' },
    });
    expect(stderr).toMatch(
      /alpha, beta: dregrun starts ranks on this machine alone.*apt-get install mpich/,
    );
    expect(status).toBe(2);
  });

  test.each([
    ['--json'],
    ['--summary'],
    ['--shared-heap'],
    ['--bind-to=core'],
    ['--debug'],
    ['--stdin=all'],
  ])('and %s, which is for ranks of this machine, are refused', async (option) => {
    const { status, stderr } = await dregrun([...words, option, fixture('talks.mjs')]);
    expect(stderr).toContain('is for ranks of this machine alone');
    expect(status).toBe(2);
  });

  describe.skipIf(!canTest('mpiexec.hydra'))('is handed to mpiexec.hydra (Debian: mpich)', () => {
    // Hydra then starts what is for other machines on this one.
    const environment = { HYDRA_LAUNCHER: 'fork', SLURM_JOB_ID: undefined };

    test('with its ranks and variables', async () => {
      const script = "process.stdout.write(process.env.A + ' ' + process.env.B + '\\n')";
      const { status, stdout } = await dregrun(
        [...words, '-x', 'A=1 2', '-env', 'B', '3', '--', process.execPath, '-e', script],
        { environment },
      );
      expect(stdout).toBe('1 2 3\n1 2 3\n');
      expect(status).toBe(0);
    });

    test('and its ranks talk', async () => {
      const { status, stdout } = await dregrun([...words, fixture('talks.mjs')], { environment });
      expect(stdout.match(/^rank \d of 2 near 2 wrong 0$/gm)).toHaveLength(2);
      expect(status).toBe(0);
    });

    test('whose status is the job', async () => {
      const abort = [fixture('talks.mjs'), 'ends', 'abort:7'];
      const { status } = await dregrun([...words, ...abort], { environment });
      expect(status).toBe(7);
    });
  });

  test('is ended where its launcher goes on past its time', async () => {
    const never = { file: 'sleep', words: ['1000'], environment: process.env };
    const said: string[] = [];
    expect(await hand(never, 100, (text) => said.push(text))).toBe(124);
    expect(said).toEqual([expect.stringContaining("the job's time is over, and sleep goes on")]);
  });

  test('in a Slurm allocation it is handed to srun', async () => {
    const srun = join(folder.path, 'srun');
    writeFileSync(srun, '#!/bin/sh\nprintf "%s\\n" "$@"\nexit 5\n', { mode: 0o755 });
    const { status, stdout } = await dregrun(
      [...words, '-x', 'A=1,2', '--tag-output', '--', process.execPath, 'app.js'],
      { environment: { PATH: `${folder.path}:${process.env.PATH}`, SLURM_JOB_ID: '7' } },
    );
    expect(stdout.trimEnd().split('\n')).toEqual([
      expect.stringMatching(/^--mpi=pmi(x|2)$/),
      ...['--kill-on-bad-exit', '-n', '2', '-w', 'alpha,beta', '--ntasks-per-node=1', '--label'],
      ...['env', 'A=1,2', process.execPath, 'app.js'],
    ]);
    expect(status).toBe(5);
  });
});
