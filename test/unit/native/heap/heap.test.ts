/** The shared heap by itself: its allocator against a model, and programs that are started with it. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { packageRoot } from '../../../../native/addon.ts';
import { start } from '../../../tools/launcher.ts';

const HEAP = join(packageRoot(), 'native/heap');
const LIBRARY = join(packageRoot(), 'native/build/Release/dreg_heap.so');
const SOURCES = join(packageRoot(), 'test/unit/native/heap');
const FULL = process.env.DREG_TESTS === 'full';
const MIB = 2 ** 20;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'dreg-heap-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function compile(name: string, ...words: string[]): string {
  const program = join(folder, name);
  const all = ['-g', '-O1', '-Wall', '-Wextra', '-Werror', '-pthread', `-I${HEAP}`, '-o', program];
  execFileSync('gcc', [...all, join(SOURCES, `${name}.c`), ...words]);
  return program;
}

describe('the allocator and its model', () => {
  const sanitized = ['-fsanitize=address,undefined', '-fno-sanitize-recover=all'];
  const inHeap = (...names: string[]) => names.map((name) => join(HEAP, name));
  let pages: string;
  let blocks: string;
  beforeAll(() => {
    pages = compile('pages', '-O2', ...sanitized);
    blocks = compile('blocks', ...sanitized, ...inHeap('region.c', 'runs.c'));
  });

  const seeds = FULL ? [Math.floor(Math.random() * 2 ** 31), 1, 2, 3, 4] : [1];

  test.each(seeds)('millions of calls to the books of pages, seed %d', async (seed) => {
    const { stdout } = await start(pages, ['1000000', `${seed}`]).ended;
    expect(stdout).toMatch(/^ok 1000000 calls/);
  });

  test.each(seeds)('blocks and their bytes, in little room, seed %d', async (seed) => {
    const environment = { DREG_SHARED_HEAP_BYTES: `${32 * MIB}` };
    const steps = FULL ? '1000000' : '50000';
    const { stdout, stderr } = await start(blocks, [steps, `${seed}`], { environment }).ended;
    expect(stdout + stderr).toMatch(/^ok \d+ calls, [1-9]\d* refused\n$/);
  });
});

describe('a program that is started with it', () => {
  let uses: string;
  beforeAll(() => {
    uses = compile('uses', '-fno-builtin');
  });

  const run = (name: string, environment: NodeJS.ProcessEnv = {}, limits = ':') =>
    start('sh', ['-c', `${limits}; LD_PRELOAD=$1 exec "$2" "$3"`, 'sh', LIBRARY, uses, name], {
      environment,
    }).ended;

  test.each(['family', 'peak', 'threads', 'forking', 'forking threads', 'bare fork', 'closed'])(
    '%s',
    async (name) => {
      expect(await run(name)).toMatchObject({ stdout: 'ok\n', status: 0 });
    },
  );

  test('the heap is full: blocks come from glibc', async () => {
    const environment = { DREG_SHARED_HEAP_BYTES: `${64 * MIB}` };
    expect(await run('full', environment)).toMatchObject({ stdout: 'ok\n', status: 0 });
  });

  test.each(['ulimit -v 7000', 'ulimit -f 100', 'ulimit -d 1500'])(
    'no room for a heap: %s',
    async (limits) => {
      const { stdout } = await run('none', {}, limits);
      expect(stdout).toMatch(/^a limit \(ulimit -v, -d or -f\) leaves too little room: ok\n$/);
    },
  );

  test('no open file may have so high a number', async () => {
    const { stdout } = await run('family', {}, 'ulimit -n 20');
    expect(stdout).toBe('ok\n');
  });

  test('what is no block ends the process, and says so', async () => {
    const { signal, stderr } = await run('wrong');
    expect([signal, stderr]).toEqual([
      'SIGABRT',
      'dreg-mpi: free or realloc of what is no block of the shared heap\n',
    ]);
  });
});
