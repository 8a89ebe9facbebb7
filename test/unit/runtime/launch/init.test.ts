/** `dregrun init`: what it writes runs, as it says; what is there stays. */
import { chmodSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { packageRoot } from '../../../../native/addon.ts';
import { writeFirstProgram } from '../../../../runtime/launch/init.ts';
import { runsTypeScript } from '../../../../runtime/launch/program.ts';
import { DREGRUN, start } from '../../../tools/launcher.ts';
import { Project } from '../../package/support.ts';

const SHARES = [0, 1, 2, 3].map((rank) =>
  expect.stringMatching(`^rank ${rank} of 4 has 0\\.785398$`),
);

let project: Project;
beforeEach(() => {
  project = new Project();
  project.link('dreg-mpi', packageRoot());
});
afterEach(() => project.remove());

const installed = () => {
  project.link('tsx', join(packageRoot(), 'node_modules/tsx'));
  const command = `#!/bin/sh\nexec '${process.execPath}' '${DREGRUN}' "$@"\n`;
  chmodSync(project.file('node_modules/.bin/dregrun', command), 0o755);
};
const read = (name: string) => readFileSync(join(project.folder, name), 'utf8');
const manifest = () => JSON.parse(read('package.json'));
const cwd = () => ({ cwd: project.folder });
const init = (...words: string[]) =>
  start(process.execPath, [DREGRUN, 'init', ...words], cwd()).ended;

describe('as it says', () => {
  test.each([
    { there: 'nothing', before: undefined, program: 'pi.ts' },
    { there: 'a package of modules', before: { type: 'module' }, program: 'pi.ts' },
    { there: 'another package', before: { name: 'mine' }, program: 'pi.mts' },
  ])('with $there before it', async ({ before, program }) => {
    installed();
    if (before !== undefined) project.file('package.json', JSON.stringify(before));
    const { status, stdout, stderr } = await init();
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(existsSync(join(project.folder, program))).toBe(true);
    const [, commands] = stdout.split('Now run:\n');
    expect(commands).toBe('  npm run pi\n');
    const ran = await start('npm', ['run', '-s', 'pi'], cwd()).ended;
    expect({ status: ran.status, stderr: ran.stderr }).toEqual({ status: 0, stderr: '' });
    const lines = ran.stdout.trim().split('\n').sort();
    expect(lines).toEqual([...SHARES, 'together: 3.141593']);
  });

  test('--json', async () => {
    const { stdout } = await init('--json');
    expect(JSON.parse(stdout)).toEqual({
      written: ['pi.ts', 'package.json'],
      changed: [],
      next: [...(runsTypeScript ? [] : ['npm install']), 'npm run pi'],
    });
  });

  test('--help', async () => {
    expect(await init('--help')).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/^usage: dregrun init/),
    });
    expect(existsSync(join(project.folder, 'pi.ts'))).toBe(false);
  });
});

test.each([true, false])('asks for tsx where Node needs it (%s)', (needed) => {
  const { next } = writeFirstProgram(project.folder, '1.2.3', needed);
  expect(manifest().dependencies).toEqual({ 'dreg-mpi': '^1.2.3' });
  expect('devDependencies' in manifest()).toBe(needed);
  expect(next).toHaveLength(needed ? 2 : 1);
});

test('what package.json had stays, in its form', () => {
  const before = {
    name: 'mine',
    type: 'module',
    scripts: { test: 'true' },
    devDependencies: { 'dreg-mpi': 'file:x' },
  };
  project.file('package.json', JSON.stringify(before, null, '\t'));
  writeFirstProgram(project.folder, '1.2.3', false);
  const scripts = { test: 'true', pi: 'dregrun -n 4 pi.ts' };
  expect(read('package.json')).toBe(`${JSON.stringify({ ...before, scripts }, null, '\t')}\n`);
});

describe('in the way', () => {
  test.each([
    { name: 'pi.ts', text: 'mine', says: /pi\.ts is there already/, before: '{"type":"module"}' },
    {
      name: 'package.json',
      text: '{"scripts":{"pi":"mine"}}',
      says: /package\.json has a script "pi"/,
    },
    { name: 'package.json', text: '{', says: /package\.json is no JSON/ },
    { name: 'package.json', text: '[]', says: /package\.json holds no object/ },
  ])('$name with $text', async ({ name, text, says, before }) => {
    if (before !== undefined) project.file('package.json', before);
    project.file(name, text);
    const { status, stdout, stderr } = await init();
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toMatch(says);
    expect(read(name)).toBe(text);
    expect(read('package.json')).toBe(before ?? text);
    expect(existsSync(join(project.folder, 'pi.mts'))).toBe(false);
  });

  test('a package.json that is a folder: no program either', async () => {
    project.file('package.json/x', '');
    const { status, stderr } = await init();
    expect(status).not.toBe(0);
    expect(stderr).toMatch(/package\.json: .* failed with EISDIR/);
    expect(existsSync(join(project.folder, 'pi.ts'))).toBe(false);
  });

  test('words of no use', async () => {
    const { status, stderr } = await init('there');
    expect(status).toBe(2);
    expect(stderr).toContain('takes no "there"; a program named init: dregrun -- init');
  });
});
