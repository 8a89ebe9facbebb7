/** dregrun --shared-heap: ranks that run with Node are started with the library, and nothing else is. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { packageRoot } from '../../../../native/addon.ts';
import {
  heapLibrary,
  withHeapLibrary,
  withoutHeapLibrary,
} from '../../../../native/shared-heap.ts';
import { canTest, dregrun, start } from '../../../tools/launcher.ts';

/** Says where an array lies, what the rank's children get, and what glibc serves. */
const PROGRAM = `
import { execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { MPI } from ${JSON.stringify(join(packageRoot(), 'dist/bundle/index.js'))};
const { addressOf, sharedHeap } = createRequire(import.meta.url)(${JSON.stringify(join(packageRoot(), 'native/build/Release/dreg_mpi.node'))});
MPI.init();
const { base, bytes } = sharedHeap() ?? { base: 0, bytes: 0 };
const lies = (view) => addressOf(view) >= base && addressOf(view) < base + bytes;
const arrays = [new Float64Array(10_000), Buffer.alloc(100_000), Buffer.allocUnsafe(100_000),
  new Int32Array(new SharedArrayBuffer(100_000)), new Uint8Array(1000)];
const child = execFileSync('sh', ['-c', 'echo "$LD_PRELOAD"'], { encoding: 'utf8' }).trim();
console.log(arrays.map(lies).join(' '), '[' + child + ']');
`;

let folder: string;
let program: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'dreg-shared-heap-'));
  program = join(folder, 'program.mjs');
  writeFileSync(program, PROGRAM);
});
afterAll(() => rmSync(folder, { recursive: true }));

const SHARED = 'true true true true false []\n';
const PRIVATE = 'false false false false false []\n';

test.each([
  { words: ['--shared-heap'], variable: '', says: SHARED },
  { words: [], variable: '1', says: SHARED },
  { words: ['-x', 'DREG_SHARED_HEAP=1'], variable: '0', says: SHARED },
  { words: ['--no-shared-heap'], variable: '1', says: PRIVATE },
  { words: [], variable: '', says: PRIVATE },
])('$words, DREG_SHARED_HEAP=$variable', async ({ words, variable, says }) => {
  const environment = { DREG_SHARED_HEAP: variable };
  const { stdout, stderr } = await dregrun([...words, program], { environment });
  expect([stdout, stderr]).toEqual([says, '']);
});

test('Node by its own name', async () => {
  const { stdout } = await dregrun(['--shared-heap', '--', process.execPath, program]);
  expect(stdout).toBe(SHARED);
});

test('other programs are started as they were, and other libraries stay', async () => {
  const show = ['sh', '-c', 'echo "[$LD_PRELOAD]"'];
  expect((await dregrun(['--shared-heap', ...show])).stdout).toBe('[]\n');
  const environment = { LD_PRELOAD: 'libc.so.6' };
  const { stdout } = await dregrun(['--shared-heap', program], { environment });
  expect(stdout).toBe(SHARED.replace('[]', '[libc.so.6]'));
});

test.each([
  { words: ['--shared-heap', '--no-shared-heap'], variable: '', says: 'leave one of them out' },
  { words: [], variable: 'yes', says: 'DREG_SHARED_HEAP=yes: it must be 0 or 1' },
])('$words, DREG_SHARED_HEAP=$variable is refused', async ({ words, variable, says }) => {
  const environment = { DREG_SHARED_HEAP: variable };
  const { status, stderr } = await dregrun([...words, program], { environment });
  expect([status, stderr]).toEqual([2, expect.stringContaining(says)]);
});

test('the file for other launchers', async () => {
  expect((await dregrun(['--heap-library'])).stdout).toBe(`${heapLibrary()}\n`);
});

test.skipIf(!canTest('mpiexec.hydra'))('under mpiexec.hydra (Debian: mpich)', async () => {
  const words = ['-n', '2', '-genv', 'LD_PRELOAD', heapLibrary(), process.execPath, program];
  const { stdout } = await start('mpiexec.hydra', words).ended;
  expect(stdout).toBe(SHARED + SHARED);
});

test('LD_PRELOAD with the library and without it', () => {
  const library = heapLibrary();
  expect(withHeapLibrary(undefined)).toBe(library);
  expect(withHeapLibrary('a.so b.so')).toBe(`${library}:a.so:b.so`);
  expect(withHeapLibrary(`a.so:${library}`)).toBe(`${library}:a.so`);
  expect(withoutHeapLibrary(`a.so:${library}`)).toBe('a.so');
  expect(withoutHeapLibrary(library)).toBeUndefined();
});
