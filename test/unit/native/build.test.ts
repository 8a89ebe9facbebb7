/** native/build.mjs, on a copy of it and of binding.gyp with one small source, and the library beside the addon. */
import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { packageRoot } from '../../../native/addon.ts';

/** What a person may call a folder, and what the shell, make and gyp take for their own. */
const NAME = "a space [1] (b) & c's {x} é;y";

const SOURCE = `#include <napi.h>
static Napi::Object Init(Napi::Env env, Napi::Object exports) {
  exports.Set("answer", 42);
  return exports;
}
NODE_API_MODULE(dreg_mpi, Init)
`;

let scratch = '';
beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'dreg-mpi-test-'));
});
afterEach(() => rmSync(scratch, { recursive: true }));

/** A package in a folder of that name, as npm lays one out. */
function packageIn(name: string, source = SOURCE): string {
  const root = join(scratch, name);
  const native = join(root, 'native');
  mkdirSync(native, { recursive: true });
  // Copies: Node goes by real paths, and a link would lead out of the odd folder.
  mkdirSync(join(root, 'node_modules'));
  const own = join(packageRoot(), 'node_modules');
  for (const dependency of ['node-gyp', 'node-addon-api'])
    spawnSync('cp', ['-r', join(own, dependency), join(root, 'node_modules')]);
  // What node-gyp itself needs, by the folder above.
  symlinkSync(own, join(scratch, 'node_modules'));
  copyFileSync(join(packageRoot(), 'native/build.mjs'), join(native, 'build.mjs'));
  spawnSync('cp', ['-r', join(packageRoot(), 'native/heap'), native]);
  const gyp = readFileSync(join(packageRoot(), 'native/binding.gyp'), 'utf8');
  writeFileSync(
    join(native, 'binding.gyp'),
    gyp.replace(/"sources": \[[^\]]*\]/, '"sources": ["a.cc"]'),
  );
  writeFileSync(join(native, 'a.cc'), source);
  return native;
}

function build(native: string, node = process.execPath, more: NodeJS.ProcessEnv = {}) {
  const env: NodeJS.ProcessEnv = { ...process.env, ...more };
  // npm's own setting would be taken before what build.mjs says.
  delete env.npm_config_nodedir;
  return spawnSync(node, [join(native, 'build.mjs')], { encoding: 'utf8', env });
}

function answerOf(native: string): number {
  expect(existsSync(join(native, 'build/Release/dreg_heap.so'))).toBe(true);
  return createRequire(import.meta.url)(join(native, 'build/Release/dreg_mpi.node')).answer;
}

test(`the addon builds in a folder called ${NAME}, and again`, () => {
  const native = packageIn(NAME);
  for (let i = 0; i < 2; i++) {
    const { status, stderr } = build(native);
    expect(stderr).toBe('');
    expect(status).toBe(0);
  }
  expect(answerOf(native)).toBe(42);
});

test('the addon builds with a Node that is installed in such a folder', () => {
  const prefix = join(scratch, NAME);
  mkdirSync(join(prefix, 'bin'), { recursive: true });
  const node = join(prefix, 'bin/node');
  try {
    linkSync(process.execPath, node);
  } catch {
    copyFileSync(process.execPath, node);
  }
  const headers = join(dirname(dirname(process.execPath)), 'include');
  symlinkSync(headers, join(prefix, 'include'));
  const native = packageIn('plain');
  const { status, stderr } = build(native, node);
  expect(stderr).toBe('');
  expect(status).toBe(0);
  expect(answerOf(native)).toBe(42);
});

test('a source that does not compile is what the message points at, not tools that are there', () => {
  const { status, stderr } = build(packageIn('broken', '#error no such luck\n'));
  expect(status).not.toBe(0);
  expect(stderr).toContain('#error no such luck');
  expect(stderr).toMatch(/dreg-mpi: the addon did not build in .*: what failed is said above/);
  expect(stderr).not.toContain('apt-get');
});

test('tools that are missing are named, and only those', () => {
  const tools = { MAKE: 'no-such-make' };
  const { status, stderr } = build(packageIn('poor'), process.execPath, tools);
  expect(status).not.toBe(0);
  expect(stderr).toMatch(/did not build in .*: not found: no-such-make \(Debian: apt-get install/);
});
