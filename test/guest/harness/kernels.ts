import { join } from 'node:path';
import { CACHE } from './paths.ts';

/** The kernels a guest can boot. `debug` is built by `npm run guest:debug` only. */
export const KERNEL_NAMES = ['6.1', '6.12', 'debug'] as const;
export type KernelName = (typeof KERNEL_NAMES)[number];

/** The kernels that Debian packages: what `npm test` uses. */
export const PACKAGED_KERNELS = ['6.1', '6.12'] as const;
export type PackagedKernel = (typeof PACKAGED_KERNELS)[number];

/** A kernel that set-up has made ready. */
export interface Kernel {
  name: KernelName;
  /** What `uname -r` says in the guest, such as 6.1.0-56-amd64. */
  abi: string;
  /** The uncompressed kernel that QEMU starts. */
  image: string;
  initramfs: string;
  /** `make -C headers M=…` builds modules for it. */
  headers: string;
  /** Holds lib/modules/ABI. */
  modulesRoot: string;
}

/** Where a packaged kernel lives; `.cache/6.1` is a symbolic link to its folder. */
export function kernelFolder(abi: string): string {
  return join(CACHE, 'kernels', abi);
}

export function packagedKernel(name: KernelName, abi: string): Kernel {
  const folder = kernelFolder(abi);
  return {
    name,
    abi,
    image: join(folder, 'vmlinux'),
    initramfs: join(folder, 'initramfs.cpio'),
    headers: join(folder, 'root', 'usr', 'src', `linux-headers-${abi}`),
    modulesRoot: join(folder, 'root'),
  };
}
