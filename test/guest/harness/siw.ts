import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Progress } from './apt.ts';
import { SOURCE_PACKAGE, sourceVersion, unpackSource } from './kernel-source.ts';
import type { Kernel } from './kernels.ts';
import { withFileLock } from './lock.ts';
import { buildModule } from './modules.ts';
import { CACHE } from './paths.ts';
import { once } from './setup.ts';

const SIW = 'drivers/infiniband/sw/siw';

/** 6.1.192, as the kernel's headers or its source say it. */
async function headersVersion(kernel: Kernel): Promise<string> {
  const text = await readFile(
    join(kernel.headers, 'include', 'generated', 'uapi', 'linux', 'version.h'),
    'utf8',
  );
  const part = (name: string) => /\d+/.exec(text.split(`LINUX_VERSION_${name} `)[1] ?? '')?.[0];
  return ['MAJOR', 'PATCHLEVEL', 'SUBLEVEL'].map(part).join('.');
}

async function versionOfSource(source: string): Promise<string> {
  const text = await readFile(join(source, 'Makefile'), 'utf8');
  const part = (name: string) => new RegExp(`^${name} = (\\d+)$`, 'm').exec(text)?.[1];
  return ['VERSION', 'PATCHLEVEL', 'SUBLEVEL'].map(part).join('.');
}

/**
 * The kernel's iWARP device made of software, which Debian does not build: from the kernel's source,
 * for the 6.1 kernel that is in the cache. Gives the path of siw.ko.
 */
export async function buildSiw(kernel: Kernel, progress: Progress): Promise<string> {
  const folder = join(CACHE, 'siw', kernel.abi);
  const source = join(folder, SOURCE_PACKAGE);
  await mkdir(folder, { recursive: true });
  // A kernel in the cache keeps its source, though the archive may go on to the next.
  await withFileLock(join(CACHE, 'siw', 'lock'), () =>
    once(folder, 'source', kernel.abi, async () => {
      progress(`siw: the source, ${await sourceVersion()}`);
      await unpackSource(folder, progress, ['Makefile', SIW]);
    }),
  );
  const [ours, theirs] = [await headersVersion(kernel), await versionOfSource(source)];
  try {
    const variables = { CONFIG_RDMA_SIW: 'm' };
    return await buildModule(kernel, { source: join(source, SIW), variables, foreign: true });
  } catch (error) {
    if (ours === theirs) throw error;
    throw new Error(
      `siw of Linux ${theirs} does not build for the cached kernel ${ours}: delete ${CACHE} to get kernel and source of the same version`,
      { cause: error },
    );
  }
}
