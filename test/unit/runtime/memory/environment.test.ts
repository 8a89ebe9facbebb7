/** What the machine may lack or forbid: documented errors, or a slower way (docs/guide/registration-cache.md). */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { packageRoot } from '../../../../native/addon.ts';
import { helpers } from '../../../tools/native/helpers.ts';
import { needUserfaultfdAndUring } from '../../../tools/needs.ts';

needUserfaultfdAndUring();

const program = (name: string) =>
  join(packageRoot(), `dist/programs/unit/runtime/memory/programs/${name}.js`);

/** The monitor that 'auto' finds where nothing is forbidden. */
const BEST = existsSync('/dev/dreg') ? 'dreg' : 'userfaultfd';

function outcomes(lack: string, environment: Record<string, string> = {}): Record<string, string> {
  helpers();
  const result = spawnSync(process.execPath, [program('environment'), lack], {
    encoding: 'utf8',
    env: { ...process.env, ...environment },
  });
  expect(result.stderr).toBe('');
  expect(result.status).toBe(0);
  return JSON.parse(result.stdout);
}

const WORKS = {
  dreg: BEST === 'dreg' ? 'dreg' : 'ERR_UNSUPPORTED',
  dregSays: BEST === 'dreg' ? 'dreg' : expect.stringContaining('is the module loaded?'),
  userfaultfd: 'userfaultfd',
  auto: BEST,
  environment: BEST,
  domain: 'works',
  domainSays: 'works',
  manager: '1 misses',
};

const FALLEN_BACK = BEST === 'dreg' ? 'dreg' : 'none';
const UNCACHED = BEST === 'dreg' ? '1 misses' : '0 misses';

test('nothing is lacking', () => {
  expect(outcomes('nothing')).toEqual(WORKS);
});

test('without privilege: userfaultfd in user mode, and all the rest', () => {
  expect(outcomes('privilege')).toEqual(WORKS);
});

for (const lack of ['userfaultfd-forbidden', 'userfaultfd-missing'])
  test(`${lack}: ERR_UNSUPPORTED by name, the next monitor by auto`, () => {
    expect(outcomes(lack)).toEqual({
      dreg: WORKS.dreg,
      dregSays: WORKS.dregSays,
      userfaultfd: 'ERR_UNSUPPORTED',
      auto: FALLEN_BACK,
      environment: FALLEN_BACK,
      domain: 'works',
      domainSays: 'works',
      manager: UNCACHED,
    });
  });

for (const lack of ['io_uring-forbidden', 'io_uring-missing'])
  test(`${lack}: ERR_UNSUPPORTED`, () => {
    expect(outcomes(lack)).toEqual({
      ...WORKS,
      domain: 'ERR_UNSUPPORTED',
      domainSays: expect.stringContaining('seccomp'),
      manager: 'ERR_UNSUPPORTED',
    });
  });

test('no descriptor is left: ERR_SYSTEM by name and what to raise, no cache by auto', () => {
  expect(outcomes('descriptors')).toEqual({
    dreg: 'ERR_SYSTEM',
    dregSays: expect.stringMatching(/EMFILE.*ulimit -n/),
    userfaultfd: 'ERR_SYSTEM',
    auto: 'none',
    environment: 'none',
    domain: 'ERR_SYSTEM',
    domainSays: expect.stringContaining('EMFILE'),
    manager: 'ERR_SYSTEM',
  });
});

test('no memory may be locked: the domain says so, and what to raise', () => {
  expect(outcomes('locked-memory')).toMatchObject({
    domain: 'ERR_SYSTEM',
    domainSays: expect.stringMatching(/ENOMEM.*RLIMIT_MEMLOCK allows 0 bytes.*ulimit -l.*memlock/),
  });
});

test('DREG_MONITOR names the monitor', () => {
  expect(outcomes('nothing', { DREG_MONITOR: 'none' }).environment).toBe('none');
  expect(outcomes('nothing', { DREG_MONITOR: 'userfaultfd' }).environment).toBe('userfaultfd');
  // A cache that nobody tells of changes exists in tests only.
  expect(outcomes('nothing', { DREG_MONITOR: 'naive' }).environment).toBe('ERR_ARG');
});

test('DREG_UFFD_FENCE, DREG_UFFD_FILES and DREG_UFFD_GUARDS take two values', () => {
  for (const environment of [
    { DREG_UFFD_FENCE: 'never' },
    { DREG_UFFD_FILES: 'yes' },
    { DREG_UFFD_GUARDS: 'no' },
  ])
    expect(outcomes('nothing', environment).userfaultfd).toBe('ERR_ARG');
  for (const environment of [{ DREG_UFFD_FENCE: 'always' }, { DREG_UFFD_FILES: 'trust' }])
    expect(outcomes('nothing', environment)).toEqual(WORKS);
});

/** A child that does not end by itself is ended, and its test fails. */
const LIMITED = { timeout: 240_000 };

async function outputOf(child: ChildProcess): Promise<string> {
  let text = '';
  child.stdout!.on('data', (chunk) => {
    text += chunk;
  });
  // Not 'exit': its last words may still be on their way then.
  const [status] = await once(child, 'close');
  expect(status).toBe(0);
  return text;
}

test('an idle manager that was not closed does not keep the process alive', async () => {
  const child = spawn(process.execPath, [program('lifetime'), 'idle'], LIMITED);
  expect(await outputOf(child)).toBe('');
});

test('an operation under way does', async () => {
  const child = spawn(process.execPath, [program('lifetime'), 'reading'], LIMITED);
  const output = outputOf(child);
  await once(child.stdout, 'data');
  child.stdin.write('x');
  expect(await output).toBe('waiting\nread 1\n');
});

test('a done that throws is an uncaught exception, and keeps no other from its own', async () => {
  const child = spawn(process.execPath, [program('lifetime'), 'throwing'], LIMITED);
  const output = outputOf(child);
  await once(child.stdout, 'data');
  child.stdin.write('xy');
  expect(await output).toBe('waiting\ndone has thrown\ndone has thrown\n');
});
