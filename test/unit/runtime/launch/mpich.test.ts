/** Programs of an unmodified MPICH run under dregrun (Debian: mpich, libmpich-dev). */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { packageRoot } from '../../../../native/addon.ts';
import { canTest, dregrun, temporaryFolder } from '../../../tools/launcher.ts';

const COMPILER = 'mpicc.mpich';
const folder = temporaryFolder();
const program = (name: string) => join(folder.path, name);

afterAll(() => folder.remove());

describe.skipIf(!canTest(COMPILER))(`MPICH under dregrun (needs ${COMPILER})`, () => {
  beforeAll(() => {
    for (const name of ['ring', 'collectives', 'abort', 'services']) {
      const source = join(packageRoot(), 'test/unit/runtime/launch/mpich', `${name}.c`);
      execFileSync(COMPILER, ['-o', program(name), source]);
    }
  });

  test.each([1, 2, 3, 5, 8])('a ring of %i', async (size) => {
    const { status, stdout } = await dregrun(['-n', String(size), program('ring')]);
    const expected = Array.from(
      { length: size },
      (_, rank) => `${rank} of ${size} after ${(rank + size - 1) % size}\n`,
    );
    expect(stdout.split(/(?<=\n)/).sort()).toEqual(expected);
    expect(status).toBe(0);
  });

  test('collectives on 4 ranks', async () => {
    const { status, stdout } = await dregrun(['-n', '4', program('collectives')]);
    const line = (half: number) => `sum 6 last 3 half ${half} universe 4 app 0\n`;
    expect(stdout.split(/(?<=\n)/).sort()).toEqual([line(2), line(2), line(4), line(4)]);
    expect(status).toBe(0);
  });

  test.each([
    [7, 7],
    [255, 255],
    [256, 1],
    [0, 1],
  ])('MPI_Abort(%i) ends the job with status %i', async (code, expected) => {
    const ended = await dregrun(['-n', '3', '--json', program('abort'), String(code)]);
    expect(ended.status).toBe(expected);
    expect(JSON.parse(ended.stderr.trimEnd().split('\n').at(-1) ?? '')).toMatchObject({
      reason: 'abort',
      rank: 1,
    });
  });

  test('a name is published, found, and taken back; spawning fails as an error of MPI', async () => {
    const { status, stdout } = await dregrun(['-n', '1', program('services')]);
    expect(stdout).toBe('published 1 found 1 removed 1 found 0 spawned 0\n');
    expect(status).toBe(0);
  });

  test('two programs know which they are', async () => {
    const words = ['-n', '1', program('collectives'), ':', '-n', '1', program('collectives')];
    const { status, stdout } = await dregrun(words);
    expect(stdout).toMatch(/app 0/);
    expect(stdout).toMatch(/app 1/);
    expect(status).toBe(0);
  });
});
