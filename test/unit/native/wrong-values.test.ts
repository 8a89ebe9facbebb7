/** The addon called with what it does not take: an error or an answer, never a crash, never a belief. */
import { spawnSync } from 'node:child_process';
import { openSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { addon, packageRoot } from '../../../native/addon.ts';
import { mapping } from '../../../native/mapping.ts';
import { FEATURE, USER_MODE_ONLY, userfaultfd } from '../../../native/userfaultfd.ts';

const PROGRAM = join(packageRoot(), 'dist/programs/unit/native/programs/wrong-values.js');
const full = process.env.DREG_TESTS === 'full';
/** The same each time, and in `npm run test:full` one that nobody has seen. */
const SEEDS = full ? ['1', String(Date.now() % 2 ** 32)] : ['1'];
/** Of each export, twice: before its library is loaded and after. */
const CALLS = full ? '1000' : '60';
const { DREG_TEST_SEED } = process.env;

const { EBADF, EINVAL } = constants.errno;

test.each(DREG_TEST_SEED ? [DREG_TEST_SEED] : SEEDS)(
  `every export takes wrong values of every kind, seed %s`,
  (seed) => {
    const ended = spawnSync(process.execPath, ['--expose-gc', PROGRAM, seed, CALLS], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    // On standard error stand the exports in their turn: the last one is where it ended.
    const last = ended.stderr.split('\n').slice(-12).join('\n');
    expect({ ...ended, stderr: '', output: '' }, last).toMatchObject({ signal: null, status: 0 });
    expect(ended.stdout).toMatch(/\nthrough\n$/);
  },
);

test('a descriptor that is not open is an error of Watcher, not the end of the process', () => {
  for (const fd of [9999, -1, 0.5, Number.NaN])
    expect(() => new (addon().Watcher)(fd, false, () => {})).toThrowError(/bad file descriptor/);
});

test('a handle of one kind is none of another', () => {
  const owner = mapping().ownFd(openSync('/dev/null', 'r'));
  const fd = userfaultfd().userfaultfdOpen(USER_MODE_ONLY);
  expect(userfaultfd().userfaultfdApi(fd, FEATURE.wp)).toBe(0);
  const started = userfaultfd().userfaultfdStart(fd, 8);
  if (typeof started === 'number') throw new Error(`no reader: ${started}`);
  const { reader } = started;
  for (const stranger of [owner, started, {}, Object.create(reader), new Proxy(reader, {})])
    expect(userfaultfd().userfaultfdFence(stranger as typeof reader)).toBe(-EINVAL);
  mapping().closeOwned(reader as unknown as typeof owner);
  expect(userfaultfd().userfaultfdFence(reader)).toBe(0);
  userfaultfd().userfaultfdStop(reader);
  expect(userfaultfd().userfaultfdFence(reader)).toBe(-EBADF);
  mapping().closeOwned(owner);
});
