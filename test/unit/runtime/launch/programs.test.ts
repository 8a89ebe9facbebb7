/** Jobs of several programs, and what belongs to one of them. */
import { expect, test } from 'vitest';
import { dregrun } from '../../../tools/launcher.ts';

const lines = (text: string) => text.trimEnd().split('\n').sort();
const SAY = ['sh', '-c', 'echo $PMI_RANK of $PMI_SIZE: $0 $A $B'];

test('the first program has the lowest ranks; each has variables of its own beside those of all', async () => {
  const first = ['-x', 'A=a', '-n', '2', '-env', 'B', 'first', ...SAY, 'one'];
  const ended = await dregrun([...first, ':', '-n', '1', '-env', 'B', 'last', ...SAY, 'two']);
  expect(ended).toMatchObject({ status: 0, stderr: '' });
  expect(lines(ended.stdout)).toEqual([
    '0 of 3: one a first',
    '1 of 3: one a first',
    '2 of 3: two a last',
  ]);
});

test('each runs in its own folder', async () => {
  const ended = await dregrun(['--wdir', '/', 'pwd', ':', '--wdir', '/usr', 'pwd']);
  expect(lines(ended.stdout)).toEqual(['/', '/usr']);
});

test('one that is missing keeps all from being started', async () => {
  const ended = await dregrun(['echo', 'started', ':', './not-there']);
  expect(ended).toMatchObject({ status: 127, stdout: '' });
  expect(ended.stderr).toContain('./not-there');
});

test('the outcome names them all, and whose rank failed', async () => {
  const ended = await dregrun(['--json', '-n', '2', 'true', ':', 'sh', '-c', 'exit 3']);
  expect(ended.status).toBe(3);
  expect(JSON.parse(ended.stderr.trimEnd().split('\n').at(-1)!)).toMatchObject({
    program: 'true : sh',
    size: 3,
    rank: 2,
  });
});

test('--report-bindings says where each rank may run', async () => {
  const bound = await dregrun(['-n', '2', '--bind-to', 'core', '--report-bindings', 'true']);
  expect(lines(bound.stderr)).toEqual([
    expect.stringMatching(/^dregrun: rank 0 is bound to CPU [\d,]+$/),
    expect.stringMatching(/^dregrun: rank 1 is bound to CPU [\d,]+$/),
  ]);
  const free = await dregrun(['--bind-to', 'none', '--report-bindings', '--oversubscribe', 'true']);
  expect(free.stderr).toBe('dregrun: rank 0 is not bound\n');
});
