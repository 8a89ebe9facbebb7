/** Two copies of the package in one process. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { DREGRUN, start } from '../../tools/launcher.ts';
import { ADDON, Project } from './support.ts';

let project: Project;
beforeEach(() => {
  project = new Project();
});
afterEach(() => project.remove());

const LIBRARY = `
import { MPI } from 'dreg-mpi';
export function where() {
  try {
    return MPI.world.rank + ' of ' + MPI.world.size;
  } catch (error) {
    return error.code + ' ' + error.message;
  }
}`;

test.each([
  ['the program first', 'where(), own()'],
  ['a library first', 'own(), where()'],
])('%s: the second says that there is a first', async (_what, calls) => {
  const first = project.copy([ADDON]);
  const second = project.copy([ADDON], 'library');
  project.file('library/index.mjs', LIBRARY);
  project.file('where.mjs', LIBRARY);
  const program = project.file(
    'program.mjs',
    `import { where } from './where.mjs';
     import { where as own } from './library/index.mjs';
     console.log(JSON.stringify([${calls}]));`,
  );
  const words = [DREGRUN, '-n', '2', '--timeout', '30', program];
  const { stdout, stderr, status } = await start(process.execPath, words, {}).ended;
  expect([status, stderr]).toEqual([0, '']);
  const lines = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(lines.map(([where]) => where).sort()).toEqual(['0 of 2', '1 of 2']);
  for (const [, refused] of lines) {
    expect(refused).toMatch(/^ERR_INITIALIZED .*npm dedupe/);
    expect(refused).toContain(first);
    expect(refused).toContain(second);
  }
});
