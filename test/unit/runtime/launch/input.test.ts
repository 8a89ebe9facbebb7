/** Whom dregrun's standard input goes to, and who has none. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { DREGRUN, dregrun } from '../../../tools/launcher.ts';

/** Says how much of its stdin a rank has read, after the rank's number. */
const COUNT = ['--', 'sh', '-c', 'echo "$PMI_RANK $(wc -c)"'];
const counts = (stdout: string) => stdout.trimEnd().split('\n').sort();

test.each([
  ['0', ['0 5', '1 0', '2 0']],
  ['2', ['0 0', '1 0', '2 5']],
  ['none', ['0 0', '1 0', '2 0']],
  ['all', ['0 5', '1 5', '2 5']],
])('--stdin %s', async (who, expected) => {
  const ended = await dregrun(['-n', '3', '--stdin', who, ...COUNT], { input: 'hello' });
  expect(ended).toMatchObject({ status: 0, stderr: '' });
  expect(counts(ended.stdout)).toEqual(expected);
});

test('--stdin all gives every rank all of what no pipe holds, and who reads no more holds up nobody', async () => {
  const bytes = 4 << 20;
  const script = 'if [ $PMI_RANK = 1 ]; then head -c 10 | wc -c; else wc -c; fi';
  const child = spawn(process.execPath, [
    DREGRUN,
    ...['-n', '3', '--stdin', 'all', '--', 'sh', '-c', script],
  ]);
  let stdout = '';
  child.stdout.on('data', (text) => {
    stdout += text;
  });
  child.stdin.end(Buffer.alloc(bytes, 'x'));
  const [status] = await once(child, 'close');
  expect(status).toBe(0);
  expect(counts(stdout).map(Number)).toEqual([10, bytes, bytes]);
});

test('--stdin all of a file, and of nothing', async () => {
  const ofFile = await dregrun(['-n', '2', '--stdin', 'all', ...COUNT], {
    stdio: [await openSelf(), 'pipe', 'pipe'],
  });
  const [first, second] = counts(ofFile.stdout).map((line) => Number(line.split(' ')[1]));
  expect(first).toBeGreaterThan(0);
  expect(second).toBe(first);
  const ofNothing = await dregrun(['-n', '2', '--stdin', 'all', ...COUNT], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  expect(counts(ofNothing.stdout)).toEqual(['0 0', '1 0']);
});

async function openSelf(): Promise<number> {
  const { openSync } = await import('node:fs');
  return openSync(DREGRUN, 'r');
}
