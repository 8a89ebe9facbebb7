import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './command.ts';
import type { PackagedKernel } from './kernels.ts';
import { CACHE } from './paths.ts';

export type Progress = (line: string) => void;

/** What the machine itself needs: to boot a guest, to build modules, and to speak RDMA in it. */
export const MACHINE_PACKAGES = [
  'qemu-system-x86',
  'busybox-static',
  'make',
  'gcc-12',
  'libc6-dev',
  'libelf1',
  'xz-utils',
  'zstd',
  'kmod',
  'iproute2',
  'libibverbs-dev',
  'librdmacm-dev',
  'ibverbs-providers',
  'ibverbs-utils',
  'rdmacm-utils',
  'perftest',
  'libfabric-dev',
];

/** Needed besides by `npm run guest:debug`, which builds a whole kernel. */
export const KERNEL_BUILD_PACKAGES = ['bc', 'bison', 'flex', 'libelf-dev', 'libssl-dev'];

/** The archive is not always there at the first try, and another apt may be at work. */
const PATIENCE = ['-o', 'Acquire::Retries=3', '-o', 'DPkg::Lock::Timeout=600'];

const BACKPORTS =
  'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]' +
  ' http://deb.debian.org/debian bookworm-backports main\n';

async function missingPackages(packages: string[]): Promise<string[]> {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg-query expands these, not JavaScript
  const query = ['--show', '--showformat', '${Package} ${db:Status-Status}\\n', ...packages];
  const { stdout } = await run('dpkg-query', query, { mayFail: true });
  const installed = new Set(
    stdout
      .split('\n')
      .filter((line) => line.endsWith(' installed'))
      .map((line) => line.split(' ')[0]),
  );
  return packages.filter((name) => !installed.has(name));
}

export async function installPackages(packages: string[], progress: Progress): Promise<void> {
  const missing = await missingPackages(packages);
  if (missing.length === 0) return;
  progress(`apt-get install ${missing.join(' ')}`);
  const install = [...PATIENCE, 'install', '-y', '--no-install-recommends', ...missing];
  const env = { DEBIAN_FRONTEND: 'noninteractive' };
  const first = await run('apt-get', install, { env, mayFail: true, outlive: true });
  if (first.status === 0) return;
  // Most likely the machine's lists are absent or old.
  await run('apt-get', [...PATIENCE, 'update'], { env });
  await run('apt-get', install, { env, outlive: true });
}

/**
 * The options that make apt look where the kernel is. 6.12 is in bookworm-backports, which the
 * machine need not know: lists and cache of its own leave the machine's configuration alone.
 */
async function aptOptions(kernel: PackagedKernel, progress: Progress): Promise<string[]> {
  if (kernel === '6.1') return [];
  const folder = join(CACHE, 'apt-backports');
  const sources = join(folder, 'sources.list');
  mkdirSync(join(folder, 'lists', 'partial'), { recursive: true });
  mkdirSync(join(folder, 'cache', 'archives', 'partial'), { recursive: true });
  writeFileSync(sources, BACKPORTS);
  const options = [
    ['Dir::Etc::sourcelist', sources],
    ['Dir::Etc::sourceparts', '-'],
    ['Dir::State::lists', join(folder, 'lists')],
    ['Dir::Cache', join(folder, 'cache')],
  ].flatMap(([name, value]) => ['-o', `${name}=${value}`]);
  progress('apt-get update (bookworm-backports, private lists)');
  await run('apt-get', [...PATIENCE, 'update', ...options]);
  return options;
}

/** Packages to fetch for one kernel, and the ABI that names them. */
export interface KernelPackages {
  abi: string;
  packages: string[];
  aptOptions: string[];
}

function dependencyOf(dependsOutput: string, pattern: RegExp, what: string): string {
  const found = pattern.exec(dependsOutput)?.[1];
  if (!found) throw new Error(`apt-cache depends ${what}: nothing matches ${pattern}`);
  return found;
}

/** The ABI name moves with each security update, so it is asked for, never written down. */
export async function findKernelPackages(
  kernel: PackagedKernel,
  progress: Progress,
): Promise<KernelPackages> {
  const options = await aptOptions(kernel, progress);
  const depends = async (name: string) =>
    (await run('apt-cache', [...options, 'depends', name])).stdout;

  let image = await depends('linux-image-amd64');
  if (kernel === '6.1' && !image.includes('Depends:')) {
    await run('apt-get', [...PATIENCE, 'update']);
    image = await depends('linux-image-amd64');
  }
  const pattern = /Depends: linux-image-(\S+-amd64)/;
  const abi = dependencyOf(image, pattern, 'linux-image-amd64');
  if (!abi.startsWith(`${kernel}.`)) throw new Error(`wanted a ${kernel} kernel, apt has ${abi}`);
  const headers = `linux-headers-${abi}`;
  const headersNeed = await depends(headers);
  return {
    abi,
    aptOptions: options,
    packages: [
      `linux-image-${abi}`,
      headers,
      dependencyOf(headersNeed, /Depends: (linux-headers-\S+-common)/, headers),
      dependencyOf(headersNeed, /Depends: (linux-kbuild-\S+)/, headers),
    ],
  };
}

/** Downloads packages into `folder`, emptied first, and unpacks them under `root`. */
export async function fetchAndUnpack(
  { packages, aptOptions: options }: Omit<KernelPackages, 'abi'>,
  folder: string,
  root: string,
  progress: Progress,
): Promise<void> {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const name of packages) {
    progress(`downloading ${name}`);
    // One at a time: a single unknown name would make apt-get fetch nothing at all. Unsandboxed,
    // as the sandbox's user cannot write here, and apt would warn of it each time.
    const download = ['-o', 'APT::Sandbox::User=root', ...PATIENCE, ...options, 'download', name];
    await run('apt-get', download, { cwd: folder });
  }
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.deb'))) {
    progress(`unpacking ${file}`);
    await run('dpkg', ['-x', join(folder, file), root]);
  }
  rmSync(folder, { recursive: true });
}
