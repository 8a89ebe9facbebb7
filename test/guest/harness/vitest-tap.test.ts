/** vitest's tests as a program that prints TAP: what fails in a guest must be seen to fail here. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { CHECKOUT } from './paths.ts';
import { parseTap } from './tap.ts';

const PROGRAM = join(CHECKOUT, 'test/guest/harness/vitest-tap.mjs');
const FIXTURE = join(CHECKOUT, 'test/guest/harness/fixtures/vitest-tap.fixture.mjs');

function run(...words: string[]) {
  const { status, stdout } = spawnSync(process.execPath, [PROGRAM, ...words], { encoding: 'utf8' });
  const { claims, problems } = parseTap(stdout);
  return { status, problems, claims: claims.map(({ ok, name }) => [ok, name]), stdout };
}

test('each test is a claim, and one that fails says why', () => {
  const { stdout, ...rest } = run(FIXTURE);
  expect(rest).toEqual({
    status: 1,
    problems: [],
    claims: [
      [true, 'numbers > are equal'],
      [true, 'numbers > is 1'],
      [false, 'numbers > is 2'],
      [false, 'numbers > rejects'],
    ],
  });
  expect(stdout).toContain('# AssertionError: expected 2 to be 1');
  expect(stdout).toContain('vitest-tap.fixture.mjs');
});

test('some of them, by name', () => {
  expect(run('--name', 'is 1', FIXTURE)).toMatchObject({
    status: 0,
    problems: [],
    claims: [[true, 'numbers > is 1']],
  });
});

test('a file that cannot be loaded is a failed claim', () => {
  const { status, claims } = run(`${FIXTURE}.none`);
  expect(status).toBe(1);
  expect(claims).toEqual([[false, `${FIXTURE}.none`]]);
});
