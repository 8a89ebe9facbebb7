import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, join, relative } from 'node:path';
import { run } from './command.ts';
import type { Kernel } from './kernels.ts';
import { withFileLock } from './lock.ts';
import { CACHE, CHECKOUT } from './paths.ts';

/** Files that a build reads; others, such as notes, do not make it run again. */
const SOURCE_FILE = /(\.[ch]|^Kbuild|^Makefile)$/;

async function sourceFiles(folder: string): Promise<string[]> {
  const names = (await readdir(folder)).filter((name) => SOURCE_FILE.test(name));
  return names.filter((name) => !name.endsWith('.mod.c')).sort();
}

/** A key that changes when any source file, or anything in `facts`, does. */
async function hashSources(folders: string[], facts: string[]): Promise<string> {
  const hash = createHash('sha256').update(facts.join('\0'));
  for (const folder of folders) {
    for (const name of await sourceFiles(folder)) {
      hash.update(`\0${name}\0`).update(await readFile(join(folder, name)));
    }
  }
  return hash.digest('hex').slice(0, 16);
}

export interface ModuleOptions {
  /** Folder of the module's sources and its Kbuild; kernel/ unless told. */
  source?: string;
  /** Variables for make, such as DREG_TEST=1. */
  variables?: Record<string, string>;
  /** The kernel's own: its warnings are not ours. */
  foreign?: boolean;
}

/**
 * Builds a module for a kernel, outside the source tree, and gives the path of its .ko. Built once
 * for each kernel ABI and state of the sources. A compiler's warning is an error.
 */
export async function buildModule(kernel: Kernel, options: ModuleOptions = {}): Promise<string> {
  const { source = join(CHECKOUT, 'kernel'), variables = {}, foreign = false } = options;
  const assignments = Object.entries(variables).map(([name, value]) => `${name}=${value}`);
  const key = await hashSources([source], [relative(CHECKOUT, source), ...assignments]);
  const folder = join(CACHE, 'modules', kernel.abi, key);
  return withFileLock(join(CACHE, 'modules', 'lock'), async () => {
    if (!existsSync(folder)) {
      const building = `${folder}.building`;
      await rm(building, { recursive: true, force: true });
      await mkdir(building, { recursive: true });
      for (const name of await sourceFiles(source)) {
        await copyFile(join(source, name), join(building, name));
      }
      // No pahole here, so no BTF: 6.12's headers would ask for it.
      const warnings = foreign ? [] : ['W=1'];
      const make = [...warnings, 'CONFIG_DEBUG_INFO_BTF_MODULES=', ...assignments, 'modules'];
      const { output } = await run('make', ['-C', kernel.headers, `M=${building}`, ...make]);
      await writeFile(join(building, 'build.log'), output);
      if (!foreign && /: warning:/.test(output))
        throw new Error(`module built with warnings:\n${output}`);
      await rename(building, folder);
    }
    const modules = (await readdir(folder)).filter((name) => name.endsWith('.ko'));
    if (modules.length !== 1)
      throw new Error(`${basename(folder)} holds ${modules.length} modules`);
    return join(folder, modules[0]!);
  });
}

/** Builds kernel/selftests/ and gives the folder of its programs. */
export async function buildSelftests(): Promise<string> {
  const kernel = join(CHECKOUT, 'kernel');
  const selftests = join(kernel, 'selftests');
  const key = await hashSources(
    [selftests, join(kernel, 'libdreg')],
    [await readFile(join(kernel, 'dreg.h'), 'utf8')],
  );
  const folder = join(CACHE, 'selftests', key);
  await withFileLock(join(CACHE, 'selftests', 'lock'), async () => {
    await mkdir(folder, { recursive: true });
    await run('make', ['-C', selftests, `O=${folder}`]);
  });
  return folder;
}
