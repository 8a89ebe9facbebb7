import { createHash } from 'node:crypto';
import {
  existsSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  fetchAndUnpack,
  findKernelPackages,
  installPackages,
  MACHINE_PACKAGES,
  type Progress,
} from './apt.ts';
import { run } from './command.ts';
import { buildInitramfs } from './initramfs.ts';
import {
  type Kernel,
  type KernelName,
  kernelFolder,
  PACKAGED_KERNELS,
  type PackagedKernel,
  packagedKernel,
} from './kernels.ts';
import { withFileLock } from './lock.ts';
import { CACHE, HARNESS } from './paths.ts';
import { unpackBzImage } from './vmlinux.ts';

/** Part of each stamp: raise it when a step below changes what it makes. */
const SETUP_FORMAT = 1;

export interface SetupOptions {
  kernels?: readonly PackagedKernel[];
  progress?: Progress;
}

const toStderr: Progress = (line) => process.stderr.write(`guest set-up: ${line}\n`);

/** What this machine lacks for a cold set-up, by name; empty when it can be done. */
export function missingForSetup(): string[] {
  const missing: string[] = [];
  if (process.getuid?.() !== 0) missing.push('root');
  if (process.arch !== 'x64') missing.push('an x86-64 machine');
  for (const program of ['apt-get', 'dpkg', 'setpriv', 'flock']) {
    if (!['/usr/bin', '/usr/sbin', '/bin'].some((folder) => existsSync(join(folder, program)))) {
      missing.push(program);
    }
  }
  return missing;
}

/** Runs `step` unless its stamp in `folder` has the same `key` already: so set-up can resume. */
export async function once(folder: string, name: string, key: string, step: () => Promise<void>) {
  const stamp = join(folder, `.done-${name}`);
  const content = `${SETUP_FORMAT} ${key}\n`;
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === content) return;
  await step();
  writeFileSync(stamp, content);
}

/** Debian's headers name their other half by an absolute path; nothing is installed there. */
async function mendHeaders(kernel: Kernel): Promise<void> {
  const path = join(kernel.headers, 'Makefile');
  const text = await readFile(path, 'utf8');
  const here = 'include $(dir $(lastword $(MAKEFILE_LIST)))../';
  await writeFile(path, text.replace(/^include \/usr\/src\//m, here));
}

async function prepare(kernel: Kernel, folder: string, progress: Progress): Promise<void> {
  const { abi, modulesRoot: root } = kernel;
  await once(folder, 'headers', abi, () => mendHeaders(kernel));
  await once(folder, 'depmod', abi, async () => {
    await run('depmod', ['-b', root, abi]);
  });
  await once(folder, 'vmlinux', abi, async () => {
    progress(`${abi}: unpacking the kernel image`);
    const image = await readFile(join(root, 'boot', `vmlinuz-${abi}`));
    await writeFile(`${kernel.image}.new`, unpackBzImage(image));
    await rename(`${kernel.image}.new`, kernel.image);
  });
  await prepareInitramfs(kernel, folder);
}

/** The initramfs carries guest-init.sh, so it is made again when that changes. */
export async function prepareInitramfs(kernel: Kernel, folder: string): Promise<void> {
  const hash = createHash('sha256');
  for (const source of ['guest-init.sh', 'initramfs.ts', 'cpio.ts']) {
    hash.update(await readFile(join(HARNESS, source)));
  }
  await once(folder, 'initramfs', hash.digest('hex'), () => buildInitramfs(kernel));
}

/** The kernel that earlier set-up left, if it got as far as unpacking all of it. */
function cachedAbi(name: PackagedKernel): string | undefined {
  const link = join(CACHE, name);
  return existsSync(join(link, '.done-packages')) ? readlinkSync(link).split('/').pop() : undefined;
}

async function setUpKernel(name: PackagedKernel, progress: Progress): Promise<Kernel> {
  let abi = cachedAbi(name);
  if (abi === undefined) {
    const packages = await findKernelPackages(name, progress);
    abi = packages.abi;
    const folder = kernelFolder(abi);
    await mkdir(folder, { recursive: true });
    await once(folder, 'packages', abi, () =>
      fetchAndUnpack(packages, join(folder, 'debs'), join(folder, 'root'), progress),
    );
    rmSync(join(CACHE, name), { force: true });
    symlinkSync(join('kernels', abi), join(CACHE, name));
  }
  const kernel = packagedKernel(name, abi);
  await prepare(kernel, kernelFolder(abi), progress);
  rmSync(join(kernelFolder(abi), 'headers'), { force: true });
  symlinkSync(
    join('root', 'usr', 'src', `linux-headers-${abi}`),
    join(kernelFolder(abi), 'headers'),
  );
  return kernel;
}

/**
 * Cold set-up: everything a guest needs, downloaded and made once, in the ignored cache folder.
 * May be interrupted and started again; several processes take turns.
 */
export async function setUp(options: SetupOptions = {}): Promise<Map<KernelName, Kernel>> {
  const { kernels = PACKAGED_KERNELS, progress = toStderr } = options;
  const missing = missingForSetup();
  if (missing.length > 0) throw new Error(`guest set-up needs ${missing.join(', ')}`);
  const onWait = () => progress('waiting for another set-up to finish');
  return withFileLock(
    join(CACHE, 'lock'),
    async () => {
      await installPackages(MACHINE_PACKAGES, progress);
      const ready = new Map<KernelName, Kernel>();
      for (const name of kernels) ready.set(name, await setUpKernel(name, progress));
      return ready;
    },
    onWait,
  );
}
