/** Where the addon does not load, the import works, the first use says why, and the advice helps. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ModuleFormat, rolldown } from 'rolldown';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { packageRoot } from '../../../native/addon.ts';
import { start } from '../../tools/launcher.ts';
import { ADDON, Project } from './support.ts';

const PROGRAM = `
import { MPI, MpiError } from 'dreg-mpi';
import { MONITORS } from 'dreg-mpi/memory';
const errors = [() => MPI.init(), () => MPI.world].map((use) => {
  try {
    return String(use() ?? 'well');
  } catch (error) {
    return error instanceof MpiError ? error.code + ' ' + error.message : String(error);
  }
});
console.log(MONITORS.length > 0, MPI.initialized, errors[0], errors[0] === errors[1]);
`;

let project: Project;
beforeEach(() => {
  project = new Project();
});
afterEach(() => project.remove());

async function run(file: string, ...options: string[]): Promise<string> {
  const { stdout, stderr } = await start(process.execPath, [...options, file], {}).ended;
  return stdout + stderr;
}

const said = (hint: string) => new RegExp(`^true false ERR_ADDON [^\\n]*${hint}[^\\n]* true\\n$`);

test('Node without addons', async () => {
  project.link('dreg-mpi', packageRoot());
  const program = project.file('program.mjs', PROGRAM);
  expect(await run(program, '--no-addons')).toMatch(said('start it without'));
});

test('it was not built', async () => {
  project.copy([]);
  const program = project.file('program.mjs', PROGRAM);
  expect(await run(program)).toMatch(said('was not built .*"npm rebuild dreg-mpi"'));
});

test('it is no addon of this machine', async () => {
  writeFileSync(join(project.copy([ADDON]), ADDON), 'something else');
  const program = project.file('program.mjs', PROGRAM);
  expect(await run(program)).toMatch(said('another machine'));
});

test.each<ModuleFormat>(['esm', 'cjs'])(
  'a bundle (%s), and one that leaves it out',
  async (format) => {
    project.link('dreg-mpi', packageRoot());
    const input = project.file('program.mjs', PROGRAM);
    for (const external of [[], [/^dreg-mpi/]]) {
      const bundle = await rolldown({ input, external, platform: 'node', logLevel: 'silent' });
      const extension = format === 'esm' ? 'mjs' : 'cjs';
      const file = join(project.folder, `out/bundle.${extension}`);
      await bundle.write({ file, format, codeSplitting: false });
      await bundle.close();
      // Node 20 cannot load a module by require().
      if (external.length === 0)
        expect(await run(file)).toMatch(said('esbuild: --external:dreg-mpi'));
      else if (format === 'esm') expect(await run(file)).toMatch(/^true true well /);
    }
  },
);
