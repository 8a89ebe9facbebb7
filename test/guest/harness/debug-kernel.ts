import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { installPackages, KERNEL_BUILD_PACKAGES, MACHINE_PACKAGES, type Progress } from './apt.ts';
import { run, tail } from './command.ts';
import { SOURCE_PACKAGE, sourceVersion, unpackSource } from './kernel-source.ts';
import type { Kernel } from './kernels.ts';
import { withFileLock, withMachineLock } from './lock.ts';
import { CACHE, HARNESS } from './paths.ts';
import { once, prepareInitramfs } from './setup.ts';

const CONFIG = join(HARNESS, 'debug.config');

/**
 * The build takes long, so it yields the machine (DREG_MACHINE_LOCK) each time this has passed:
 * make is interrupted and started again, which loses the few objects it was compiling.
 */
const BUILD_TURN_SECONDS = 150;

/** timeout(1)'s exit status when it had to end the command. */
const TIMED_OUT = 124;

/** Options of debug.config that the kernel's configuration did not take: a misspelling, or more. */
function refusedOptions(wanted: string, config: string): string[] {
  const lines = new Set(config.split('\n'));
  return wanted.split('\n').filter((line) => {
    if (!line.startsWith('CONFIG_')) return false;
    if (line.endsWith('=n')) return lines.has(line.replace(/=n$/, '=y'));
    return !lines.has(line);
  });
}

async function configure(source: string): Promise<void> {
  await run('make', [`KCONFIG_ALLCONFIG=${CONFIG}`, 'allnoconfig'], { cwd: source });
  const config = await readFile(join(source, '.config'), 'utf8');
  const refused = refusedOptions(await readFile(CONFIG, 'utf8'), config);
  if (refused.length > 0) throw new Error(`the kernel refuses ${refused.join(', ')}`);
}

async function readNumber(path: string): Promise<number> {
  return existsSync(path) ? Number(await readFile(path, 'utf8')) : 0;
}

/** `spent` is a file that holds how long building took so far, waiting not counted. */
async function build(source: string, spent: string, progress: Progress): Promise<void> {
  const make = ['make', `-j${availableParallelism()}`, 'bzImage', 'modules'];
  const turn = ['-n', '19', 'timeout', '--signal=INT', String(BUILD_TURN_SECONDS), ...make];
  let objects = 0;
  for (;;) {
    const { result, seconds } = await withMachineLock(async () => {
      const started = performance.now();
      const result = await run('nice', turn, { cwd: source, mayFail: true });
      return { result, seconds: (performance.now() - started) / 1000 };
    });
    objects += result.stdout.match(/^\s+(CC|AS|LD)\b/gm)?.length ?? 0;
    const total = Math.round((await readNumber(spent)) + seconds);
    await writeFile(spent, `${total}\n`);
    progress(`debug kernel: ${objects} objects compiled, ${total} s of building in all`);
    if (result.status === 0) return;
    if (result.status !== TIMED_OUT) throw new Error(tail(result.output, 30));
  }
}

async function describeKernel(folder: string, source: string): Promise<Kernel> {
  const { stdout } = await run('make', ['-s', 'kernelrelease'], { cwd: source });
  return {
    name: 'debug',
    abi: stdout.trim(),
    // Not vmlinux: the entry that QEMU would take (PVH) runs before KASAN's memory is mapped.
    image: join(source, 'arch', 'x86', 'boot', 'bzImage'),
    initramfs: join(folder, 'initramfs.cpio'),
    headers: source,
    modulesRoot: join(folder, 'root'),
  };
}

/** What a build depends on: the source's version and the configuration. */
async function buildKey(): Promise<string> {
  const version = await sourceVersion();
  const hash = createHash('sha256')
    .update(await readFile(CONFIG))
    .digest('hex')
    .slice(0, 12);
  return `${version}-${hash}`;
}

/** Builds the debug kernel, once; interrupted, it goes on where it was. */
export async function buildDebugKernel(progress: Progress): Promise<Kernel> {
  await installPackages([...MACHINE_PACKAGES, ...KERNEL_BUILD_PACKAGES], progress);
  const key = await buildKey();
  const folder = join(CACHE, 'debug', key);
  const source = join(folder, SOURCE_PACKAGE);
  await mkdir(folder, { recursive: true });
  return withFileLock(join(CACHE, 'debug', 'lock'), async () => {
    await once(folder, 'source', key, () => unpackSource(folder, progress));
    await once(folder, 'config', key, () => configure(source));
    await once(folder, 'build', key, () => build(source, join(folder, 'build-seconds'), progress));
    const kernel = await describeKernel(folder, source);
    await once(folder, 'modules', key, async () => {
      await run('make', [`INSTALL_MOD_PATH=${kernel.modulesRoot}`, 'modules_install'], {
        cwd: source,
      });
    });
    await prepareInitramfs(kernel, folder);
    const link = join(CACHE, 'debug', 'current');
    await rm(link, { force: true });
    await symlink(key, link);
    return kernel;
  });
}

/** The debug kernel as `npm run guest:debug` has left it. */
export async function findDebugKernel(): Promise<Kernel> {
  const folder = join(CACHE, 'debug', 'current');
  if (!existsSync(folder)) throw new Error('no debug kernel yet: npm run guest:debug builds it');
  const kernel = await describeKernel(folder, join(folder, SOURCE_PACKAGE));
  await prepareInitramfs(kernel, folder);
  return kernel;
}
