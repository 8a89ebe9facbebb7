/** A kernel for ARM64, the module built for it, and a boot with a program of ours in place of init. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  dependencyOf,
  fetchAndUnpack,
  installPackages,
  type Progress,
  privateLists,
} from './apt.ts';
import { run } from './command.ts';
import { CpioWriter } from './cpio.ts';
import { kernelFolder } from './kernels.ts';
import { CACHE, CHECKOUT } from './paths.ts';
import { once } from './setup.ts';

const PACKAGES = ['qemu-system-arm', 'gcc-12-aarch64-linux-gnu', 'libc6-dev-arm64-cross'];
const COMPILER = 'aarch64-linux-gnu-gcc-12';
/** It takes 20 s of a processor. */
const BOOT_SECONDS = 900;

export interface Arm64Kernel {
  image: string;
  headers: string;
}

export async function arm64Kernel(progress: Progress): Promise<Arm64Kernel> {
  await installPackages(PACKAGES, progress);
  const architecture: [string, string][] = [
    ['APT::Architecture', 'arm64'],
    // What a module's build runs is this machine's.
    ['APT::Architectures::', 'arm64'],
    ['APT::Architectures::', 'amd64'],
  ];
  const options = await privateLists('arm64', ['bookworm'], architecture, progress);
  const depends = async (name: string) =>
    (await run('apt-cache', [...options, 'depends', name])).stdout;
  const found = await depends('linux-image-arm64');
  const abi = dependencyOf(found, /Depends: linux-image-(\S+-arm64)/, 'linux-image-arm64');
  const named = `linux-headers-${abi}`;
  const need = await depends(named);
  const common = dependencyOf(need, /Depends: (linux-headers-\S+-common)/, named);
  const kbuild = dependencyOf(need, /Depends: (linux-kbuild-[^\s:]+)/, named);
  const folder = kernelFolder(abi);
  const root = join(folder, 'root');
  const headers = join(root, 'usr', 'src', named);
  mkdirSync(folder, { recursive: true });
  await once(folder, 'packages', abi, async () => {
    const packages = [`linux-image-${abi}`, named, common, `${kbuild}:amd64`];
    await fetchAndUnpack({ packages, aptOptions: options }, join(folder, 'debs'), root, progress);
    const makefile = join(headers, 'Makefile');
    const text = readFileSync(makefile, 'utf8').replace('/usr/src', join(root, 'usr', 'src'));
    writeFileSync(makefile, text);
  });
  return { image: join(root, 'boot', `vmlinuz-${abi}`), headers };
}

/** Builds the module of `sources` outside of them: the path of its .ko. */
export async function arm64Module(
  kernel: Arm64Kernel,
  sources: string,
  out: string,
): Promise<string> {
  const cross = ['ARCH=arm64', 'CROSS_COMPILE=aarch64-linux-gnu-', `CC=${COMPILER}`];
  const paths = [`KDIR=${kernel.headers}`, `OUT=${out}`, 'CONFIG_DEBUG_INFO_BTF_MODULES='];
  const strict = ['W=1', 'KCFLAGS=-Werror'];
  await run('make', ['-C', sources, ...paths, ...cross, ...strict, 'modules']);
  const module = join(out, 'dreg.ko');
  // Whole, its debugging information alone is larger than all else in the guest.
  await run('aarch64-linux-gnu-strip', ['-d', module]);
  return module;
}

/** Compiles a program without libraries, boots it with the module at /dreg.ko, and gives what it prints. */
export async function bootArm64(
  kernel: Arm64Kernel,
  source: string,
  module: string,
): Promise<string> {
  mkdirSync(CACHE, { recursive: true });
  const folder = mkdtempSync(join(CACHE, 'arm64-'));
  try {
    const init = join(folder, 'init');
    const include = `-I${join(CHECKOUT, 'kernel')}`;
    await run(COMPILER, ['-O2', '-Wall', '-Werror', '-static', include, '-o', init, source]);
    const archive = new CpioWriter();
    for (const name of ['dev', 'proc', 'sys']) archive.folder(name);
    archive.characterDevice('dev/console', 5, 1);
    archive.file('init', readFileSync(init), 0o755);
    archive.file('dreg.ko', readFileSync(module), 0o644);
    const initramfs = join(folder, 'initramfs');
    writeFileSync(initramfs, archive.end());
    const machine = ['-M', 'virt', '-cpu', 'max,pauth-impdef=on', '-m', '512', '-no-reboot'];
    const console = ['-nodefaults', '-display', 'none', '-serial', 'stdio'];
    const words = 'console=ttyAMA0 loglevel=4 panic=-1 mitigations=off watchdog_thresh=60';
    const boot = ['-kernel', kernel.image, '-initrd', initramfs, '-append', words];
    const qemu = ['qemu-system-aarch64', ...machine, ...console, ...boot];
    return (await run('timeout', [String(BOOT_SECONDS), ...qemu])).stdout;
  } finally {
    rmSync(folder, { recursive: true });
  }
}
