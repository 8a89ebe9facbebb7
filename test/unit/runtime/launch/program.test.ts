import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { findProgram } from '../../../../runtime/launch/program.ts';
import { temporaryFolder } from '../../../tools/launcher.ts';

const folder = temporaryFolder();
const at = (name: string) => join(folder.path, name);

beforeAll(() => {
  for (const sub of ['first', 'second', 'folder.js']) mkdirSync(at(sub));
  for (const name of ['app.mjs', 'app.ts']) writeFileSync(at(name), '');
  writeFileSync(at('first/tool'), '', { mode: 0o644 });
  writeFileSync(at('second/tool'), '#!/bin/sh\n');
  chmodSync(at('second/tool'), 0o755);
  symlinkSync('nowhere', at('dangling'));
});
afterAll(() => folder.remove());

test('a script runs with this Node, by its full path', () => {
  expect(findProgram(at('app.mjs'), ['-n', '1'], '')).toEqual({
    file: process.execPath,
    words: [at('app.mjs'), '-n', '1'],
  });
});

test('a name is looked for in PATH, past what cannot be executed', () => {
  const path = `${at('nowhere')}:${at('first')}:${at('second')}`;
  expect(findProgram('tool', ['x'], path)).toEqual({ file: at('second/tool'), words: ['x'] });
});

test.each([
  ['missing.js', 127],
  ['missing', 127],
  ['app.mjs/below', 127],
  ['dangling', 127],
  ['folder.js', 126],
  ['first', 126],
  ['first/tool', 126],
])('%s gives status %i and its name', (name, status) => {
  const found = findProgram(at(name), [], '');
  expect(found).toMatchObject({ status, message: expect.stringContaining(name) });
});

const runsTypeScript = 'typescript' in process.features && Boolean(process.features.typescript);

test('TypeScript runs where this Node does it; else the message says what to do', () => {
  const found = findProgram(at('app.ts'), [], '');
  if (runsTypeScript) expect(found).toMatchObject({ words: [at('app.ts')] });
  else
    expect(found).toMatchObject({ status: 126, message: expect.stringContaining('npm install') });
  expect(findProgram('no.ts', [], '')).toMatchObject({
    status: 127,
    message: 'no.ts: no such file',
  });
});

test.skipIf(runsTypeScript)('an older Node gets the loader that its folder has', () => {
  const loader = at('loads/node_modules/tsx');
  mkdirSync(loader, { recursive: true });
  writeFileSync(at('loads/app.ts'), '');
  writeFileSync(join(loader, 'package.json'), '{ "main": "loader.cjs" }');
  writeFileSync(join(loader, 'loader.cjs'), '');
  expect(findProgram(at('loads/app.ts'), ['x'], '')).toEqual({
    file: process.execPath,
    words: ['--import', `file://${join(loader, 'loader.cjs')}`, at('loads/app.ts'), 'x'],
  });
});

test('a program of this folder that lacks its ./ is named', () => {
  expect(findProgram('README.md', [], '/nowhere')).toMatchObject({
    status: 127,
    message: expect.stringContaining('write ./README.md'),
  });
});

test('a name that PATH has, but not to execute, is 126; one that it has not is 127', () => {
  expect(findProgram('tool', [], at('first'))).toMatchObject({ status: 126 });
  expect(findProgram('tool', [], at('nowhere'))).toMatchObject({ status: 127 });
  expect(findProgram('sh', [], undefined)).toMatchObject({ words: [] });
});
