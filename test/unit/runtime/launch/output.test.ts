/** What the ranks write comes out whole, in order, and without filling dregrun's memory. */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, describe, expect, test } from 'vitest';
import { LINE_LIMIT, Output } from '../../../../runtime/launch/output.ts';
import { Sink } from '../../../../runtime/launch/sink.ts';
import {
  bytesRead,
  DREGRUN,
  dregrun,
  fixture,
  startDregrun,
  survivors,
  temporaryFolder,
  until,
  untilBlocked,
} from '../../../tools/launcher.ts';

const folder = temporaryFolder();
afterAll(() => folder.remove());
const sh = (script: string) => ['--', 'sh', '-c', script];

/** The lines of fixtures/lines.mjs, each checked to be whole; how many of each rank, in order. */
function checkLines(text: string, pattern: RegExp): Map<string, number> {
  const next = new Map<string, number>();
  for (const line of text.trimEnd().split('\n')) {
    const [, rank, number, length, body] = pattern.exec(line) ?? [];
    expect(rank, `a broken line: ${line.slice(0, 80)}`).toBeDefined();
    expect(body).toBe(rank.repeat(Number(length)));
    expect(Number(number)).toBe(next.get(rank) ?? 0);
    next.set(rank, Number(number) + 1);
  }
  return next;
}

describe('lines', () => {
  test('of several ranks are never inside each other', async () => {
    const { stdout, status } = await dregrun(['-n', '4', fixture('lines.mjs'), '300', '20000']);
    expect([...checkLines(stdout, /^<(\d):(\d+):(\d+):(\d*)>$/).values()]).toEqual(
      Array(4).fill(300),
    );
    expect(status).toBe(0);
  });

  test('have their rank before them with --tag-output', async () => {
    const words = ['-n', '3', '--tag-output', fixture('lines.mjs'), '200'];
    const { stdout } = await dregrun(words);
    expect(checkLines(stdout, /^\[\d\] <(\d):(\d+):(\d+):(\d*)>$/).size).toBe(3);
    for (const line of stdout.trimEnd().split('\n')) expect(line[1]).toBe(line[5]);
  });

  test('have the time before them with --timestamp-output', async () => {
    const words = ['-n', '2', '--tag-output', '--timestamp-output', ...sh('echo a; echo b')];
    const { stdout } = await dregrun(words);
    const shown = stdout.trimEnd().split('\n');
    expect(shown).toHaveLength(4);
    for (const line of shown) expect(line).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z \[[01]\] [ab]$/);
  });

  test.each([1, 2])(
    'of stderr go among those of stdout with --merge-stderr, %i ranks',
    async (n) => {
      const words = ['-n', String(n), '--merge-stderr', ...sh('echo a; echo b >&2; echo c')];
      const { stdout, stderr } = await dregrun(words);
      expect(stderr).toBe('');
      expect(stdout.split('a\nb\nc\n')).toHaveLength(n + 1);
    },
  );

  test('go to files of each rank with --output-filename', async () => {
    const place = join(folder.path, 'of', 'ranks');
    const script = sh('echo out $PMI_RANK; echo err $PMI_RANK >&2');
    const words = ['-n', '11', '--output-filename', place, ...script];
    expect(await dregrun(words)).toMatchObject({ status: 0, stdout: '', stderr: '' });
    const read = (name: string) => readFileSync(join(place, name), 'utf8');
    expect(read('rank.00/stdout')).toBe('out 0\n');
    expect(read('rank.10/stderr')).toBe('err 10\n');
    const merged = ['--output-filename', place, '--merge-stderr', '--tag-output', ...script];
    await dregrun(merged);
    expect(read('rank.0/stdout')).toBe('[0] out 0\n[0] err 0\n');
  });

  test('go to no files where the folder cannot be made: nothing is started', async () => {
    const ended = await dregrun(['--output-filename', DREGRUN, ...sh('echo started')]);
    expect(ended).toMatchObject({ status: 2, stdout: '' });
    expect(ended.stderr).toContain('--output-filename');
  });

  test('of stderr stay on stderr, and are tagged as such', async () => {
    const ended = await dregrun(['-n', '2', '--tag-output', ...sh('echo out; echo err >&2')]);
    expect(ended.stdout.split(/(?<=\n)/).sort()).toEqual(['[0] out\n', '[1] out\n']);
    expect(ended.stderr.split(/(?<=\n)/).sort()).toEqual(['[0 stderr] err\n', '[1 stderr] err\n']);
  });

  test('that share one pipe for stdout and stderr do not mix either', async () => {
    const script = `${process.execPath} ${fixture('lines.mjs')} 200 | tee /dev/stderr`;
    const child = spawn('sh', [
      '-c',
      `"$@" 2>&1`,
      'sh',
      process.execPath,
      DREGRUN,
      '-n',
      '2',
      ...sh(script),
    ]);
    let text = '';
    child.stdout.on('data', (bytes) => {
      text += bytes;
    });
    await new Promise((resolve) => child.on('close', resolve));
    const lines = text.trimEnd().split('\n');
    expect(lines.length).toBe(2 * 2 * 200);
    for (const line of lines) expect(line).toMatch(/^<(\d):\d+:\d+:\1*>$/);
  });

  test('at the end may lack their newline; nobody is glued to them', async () => {
    for (let round = 0; round < 5; round++) {
      const { stdout } = await dregrun(['-n', '2', '--', 'printf', 'a\\nb']);
      expect(stdout.split('\n').sort()).toEqual(['a', 'a', 'b', 'b']);
      expect(stdout.endsWith('b')).toBe(true);
    }
  });

  test('of a single rank are its bytes, newline or not', async () => {
    const bytes = randomBytes(3 * LINE_LIMIT);
    const file = join(folder.path, 'bytes');
    writeFileSync(file, bytes);
    for (const words of [
      ['-n', '1'],
      ['-n', '2', '-x', 'F=1'],
    ]) {
      const script = `[ $PMI_RANK = 1 ] || exec cat ${file}`;
      const { stdout } = await dregrun([...words, ...sh(script)]);
      expect(Buffer.from(stdout, 'latin1').equals(bytes)).toBe(true);
    }
  });

  test('longer than the limit go out in pieces, each on a line of its own', async () => {
    const script = `head -c ${4 * LINE_LIMIT} /dev/zero | tr '\\0' $PMI_RANK; echo`;
    const { stdout } = await dregrun(['-n', '2', ...sh(script)]);
    for (const line of stdout.split('\n')) expect(line).toMatch(/^(0*|1*)$/);
    expect(stdout.replaceAll('\n', '').length).toBe(2 * 4 * LINE_LIMIT);
  });
});

describe('where the output goes', () => {
  test('/dev/stdout opens, as under a shell', async () => {
    const { stdout } = await dregrun(['-n', '2', ...sh('echo x > /dev/stdout')]);
    expect(stdout).toBe('x\nx\n');
  });

  test('a file gets everything', async () => {
    const file = join(folder.path, 'out');
    const fd = openSync(file, 'w');
    const words = ['-n', '2', fixture('lines.mjs')];
    const { status } = await startDregrun(words, { stdio: ['ignore', fd, 'pipe'] }).ended;
    closeSync(fd);
    expect(status).toBe(0);
    expect(checkLines(readFileSync(file, 'latin1'), /^<(\d):(\d+):(\d+):(\d*)>$/).size).toBe(2);
  });

  test('a reader that goes away ends the job as SIGPIPE would, without a word', async () => {
    const job = startDregrun(['-n', '2', 'yes']);
    await until('there is output', () => job.seen().length > 0);
    job.child.stdout?.destroy();
    const ended = await job.ended;
    expect(ended).toMatchObject({ status: 141, stderr: '' });
    expect(survivors(job.mark)).toEqual([]);
  });

  test('a full disk ends the job and is named', async () => {
    const fd = openSync('/dev/full', 'w');
    const job = startDregrun(['-n', '2', 'yes'], { stdio: ['ignore', fd, 'pipe'] });
    const ended = await job.ended;
    closeSync(fd);
    expect(ended.status).toBe(1);
    expect(ended.stderr).toContain('ENOSPC');
    expect(survivors(job.mark)).toEqual([]);
  });

  test('a slow reader makes the ranks wait; dregrun’s memory stays bounded, nothing is lost', async () => {
    const bytes = 64 * 1024 * 1024;
    const script = `head -c ${bytes} /dev/zero | tr '\\0' x | fold -w 1000; echo; echo end`;
    const job = startDregrun(['-n', '2', ...sh(script)], { stdio: ['ignore', 'pipe', 'pipe'] });
    const out = job.child.stdout!;
    out.removeAllListeners('data');
    out.pause();
    await untilBlocked(job.pid);
    // Two ranks want to write 128 MiB; dregrun has taken what its limits allow, and holds no more.
    expect(bytesRead(job.pid)).toBeLessThan(bytes / 4);
    let received = 0;
    let tail = '';
    out.on('data', (chunk: Buffer) => {
      received += chunk.length;
      tail = (tail + chunk.toString('latin1')).slice(-100);
    });
    out.resume();
    expect((await job.ended).status).toBe(0);
    expect(received).toBeGreaterThan(2 * bytes);
    expect(tail).toMatch(/end\n$/);
  });

  test('a slow reader does not keep SIGTERM away', async () => {
    const job = startDregrun(['-n', '2', 'yes'], { stdio: ['ignore', 'pipe', 'pipe'] });
    job.child.stdout?.pause();
    await untilBlocked(job.pid);
    job.child.kill('SIGTERM');
    await until('dregrun has ended', () => job.child.exitCode !== null);
    expect(job.child.exitCode).toBe(143);
    job.child.stdout?.destroy();
    expect(survivors(job.mark)).toEqual([]);
  });
});

describe('stdin', () => {
  test('goes to rank 0, the others have none', async () => {
    const script = 'echo "$PMI_RANK $(wc -c)"';
    const { stdout } = await dregrun(['-n', '3', ...sh(script)], { input: 'x'.repeat(200_000) });
    expect(stdout.split(/(?<=\n)/).sort()).toEqual(['0 200000\n', '1 0\n', '2 0\n']);
  });

  test('that nobody reads does not hold the job up', async () => {
    const ended = await dregrun(['-n', '2', 'true'], { input: 'x'.repeat(200_000) });
    expect(ended.status).toBe(0);
  });
});

test('a line that comes letter by letter takes no more memory than a line', () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const fd = openSync('/dev/null', 'w');
  const source = new PassThrough();
  void new Output(new Sink(fd)).attach(source, undefined, false);
  const held = () => {
    collect();
    return process.memoryUsage().heapUsed;
  };
  const before = held();
  for (let at = 0; at < LINE_LIMIT / 2; at++) source.emit('data', Buffer.from(new ArrayBuffer(1)));
  expect(held() - before).toBeLessThan(4 * LINE_LIMIT);
  closeSync(fd);
});

test('a tag is written once a line, however the line was cut', async () => {
  const file = join(folder.path, 'sink');
  const fd = openSync(file, 'w');
  const output = new Output(new Sink(fd));
  const source = new PassThrough();
  const ended = output.attach(source, () => '[0] ', false);
  source.write('one\ntw');
  source.write('o\nthree');
  source.end();
  await ended;
  output.say('next');
  closeSync(fd);
  expect(readFileSync(file, 'latin1')).toBe('[0] one\n[0] two\n[0] three\nnext\n');
});
