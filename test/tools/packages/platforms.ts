/** For which platforms there is a package with the addon (PACKAGED of native/addon.ts), and what builds it. */
import { join } from 'node:path';
import { packageRoot } from '../../../native/addon.ts';

export interface Platform {
  name: string;
  arch: 'x64' | 'arm64';
  /** Its compilers' prefix, as Debian names them; elsewhere they are cross-compilers. */
  triple: string;
  /** The Debian package with the compiler, for other processors than its own. */
  compiler: string;
}

export const PLATFORMS: readonly Platform[] = [
  {
    name: '@dreg-mpi/linux-x64-gnu',
    arch: 'x64',
    triple: 'x86_64-linux-gnu',
    compiler: 'g++-x86-64-linux-gnu',
  },
  {
    name: '@dreg-mpi/linux-arm64-gnu',
    arch: 'arm64',
    triple: 'aarch64-linux-gnu',
    compiler: 'g++-aarch64-linux-gnu',
  },
];

export const isOwn = ({ arch }: Platform): boolean => arch === process.arch;

/** The folder in which a platform's addon is built: native/, else a copy of it. */
export const buildFolder = (platform: Platform): string =>
  join(packageRoot(), isOwn(platform) ? 'native' : `dist/addons/${platform.arch}/native`);

/** The addon, and the library of the shared heap. */
export const FILES = ['dreg_mpi.node', 'dreg_heap.so'] as const;

export const builtFile = (platform: Platform, name: (typeof FILES)[number]): string =>
  join(buildFolder(platform), 'build/Release', name);

export const addonOf = (platform: Platform): string => builtFile(platform, 'dreg_mpi.node');
