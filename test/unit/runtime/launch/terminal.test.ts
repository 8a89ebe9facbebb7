/** A terminal and its job control, as far as a job has to do with them. */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, onTestFinished, test } from 'vitest';
import { canTest, DREGRUN, start, temporaryFolder, until } from '../../../tools/launcher.ts';

const folder = temporaryFolder();
afterAll(() => folder.remove());
const sh = (script: string) => ['--', 'sh', '-c', script];

describe.skipIf(!canTest('script'))('on a terminal (needs script of bsdutils)', () => {
  const onTerminal = (words: string[]) => {
    const quoted = words.map((word) => `'${word}'`).join(' ');
    const child = spawn('script', ['-qec', `stty cols 93; ${quoted}`, '/dev/null']);
    let text = '';
    child.stdout.on('data', (bytes) => {
      text += bytes;
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    return { child, seen: () => text };
  };

  test('rank 0 can prompt, and is answered', async () => {
    const script = 'if [ $PMI_RANK = 0 ]; then printf "name? "; read n; echo "hello $n"; fi';
    const { child, seen } = onTerminal([process.execPath, DREGRUN, '-n', '2', ...sh(script)]);
    const done = new Promise((resolve) => child.on('close', resolve));
    await until('the prompt is seen', () => seen().includes('name? '));
    child.stdin.write('you\n');
    await done;
    expect(seen()).toContain('hello you');
  });

  test('the ranks know its width', async () => {
    const { child, seen } = onTerminal([
      ...[process.execPath, DREGRUN, '-n', '2'],
      ...sh('echo "<$DREG_COLUMNS>"'),
    ]);
    await new Promise((resolve) => child.on('close', resolve));
    expect(seen().match(/<93>/g)).toHaveLength(2);
  });

  test('a job in the background leaves what is typed to the shell, until it comes to the front', async () => {
    const { child, seen } = onTerminal(['bash', '--norc', '-i']);
    const script =
      'if [ $PMI_RANK = 0 ]; then echo ready $((1 + 1)); read x; echo "rank 0 got $x"; fi';
    child.stdin.write(`${process.execPath} ${DREGRUN} -n 2 -- sh -c '${script}' &\n`);
    await until('rank 0 reads', () => seen().includes('ready 2'));
    for (const word of ['one', 'two']) {
      child.stdin.write(`echo shell has $((1 + 1)) ${word}\n`);
      await until('the shell has it', () => seen().includes(`shell has 2 ${word}`));
    }
    const shown = () => seen().split(DREGRUN).length;
    const before = shown();
    child.stdin.write('fg\n');
    await until('it is in front', () => shown() > before);
    child.stdin.write('this\n');
    await until('rank 0 has it', () => seen().includes('rank 0 got this'));
    expect(seen()).not.toContain('Stopped');
  });

  test('that closes ends the job with 129', async () => {
    const file = join(folder.path, 'status');
    const words = `${process.execPath} ${DREGRUN} -n 2 -- sh -c 'echo "<$DREG_LAUNCHER_PID>"; exec sleep 1000'`;
    const script = `trap "" HUP; ${words}; echo $? >${file}`;
    const job = start('script', ['-qec', script, '/dev/null']);
    const pids = () => [...job.seen().matchAll(/<(\d+)>/g)].map(([, pid]) => Number(pid));
    await until('the ranks run', () => pids().length === 2);
    job.child.kill('SIGKILL');
    // The session's leader hears of it from the kernel, and tells its jobs: a shell that is no test.
    process.kill(pids()[0], 'SIGHUP');
    await until('the job has ended', () => existsSync(file) && readFileSync(file, 'utf8') !== '');
    expect(readFileSync(file, 'utf8')).toBe('129\n');
  });
});

describe('nohup', () => {
  const rank = (then: string) => sh(`kill -HUP $DREG_LAUNCHER_PID; ${then}`);

  test('dregrun and its ranks live on after SIGHUP', async () => {
    const { status, stdout } = await start('nohup', [
      ...['sh', DREGRUN, '-n', '1'],
      ...rank('sleep 0.2; grep SigIgn /proc/self/status'),
    ]).ended;
    expect({ status, stdout }).toEqual({ status: 0, stdout: 'SigIgn:\t0000000000000001\n' });
  });

  test('without it they do not', async () => {
    const job = start('sh', [DREGRUN, '-n', '1', ...rank('exec sleep 1000')]);
    expect(await job.ended).toMatchObject({ status: 129 });
  });
});
