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

/** Where a kernel is that the machine's own lists do not have; of two suites, the first has it. */
const SUITES: Partial<Record<PackagedKernel, string[]>> = {
  '6.12': ['bookworm-backports'],
  newest: ['trixie-backports', 'trixie'],
};

/** `newest` is built on a newer system: its programs need that system's libraries (setup.ts). */
const NEWER_LIBRARIES = ['libc6', 'libelf1t64', 'zlib1g', 'libzstd1'];

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

/** The options that make apt look where the kernel is. */
async function aptOptions(kernel: PackagedKernel, progress: Progress): Promise<string[]> {
  const suites = SUITES[kernel];
  return suites === undefined ? [] : await privateLists(suites[0]!, suites, [], progress);
}

/**
 * Options for what the machine's own lists do not have. It need not know that archive, or architecture: lists
 * and cache apart leave the machine's configuration alone.
 */
export async function privateLists(
  name: string,
  suites: string[],
  more: [option: string, value: string][],
  progress: Progress,
): Promise<string[]> {
  const folder = join(CACHE, `apt-${name}`);
  const sources = join(folder, 'sources.list');
  mkdirSync(join(folder, 'lists', 'partial'), { recursive: true });
  mkdirSync(join(folder, 'cache', 'archives', 'partial'), { recursive: true });
  const key = '[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]';
  const lines = suites.map((suite) => `deb ${key} http://deb.debian.org/debian ${suite} main\n`);
  writeFileSync(sources, lines.join(''));
  const options = [
    ['Dir::Etc::sourcelist', sources],
    ['Dir::Etc::sourceparts', '-'],
    ['Dir::State::lists', join(folder, 'lists')],
    ['Dir::Cache', join(folder, 'cache')],
    ['APT::Default-Release', suites[0]],
    ...more,
  ].flatMap(([name, value]) => ['-o', `${name}=${value}`]);
  progress(`apt-get update (${name}, private lists)`);
  await run('apt-get', [...PATIENCE, 'update', ...options]);
  return options;
}

/** Packages to fetch for one kernel, and the ABI that names them. */
export interface KernelPackages {
  abi: string;
  packages: string[];
  aptOptions: string[];
}

export function dependencyOf(dependsOutput: string, pattern: RegExp, what: string): string {
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
  if (kernel !== 'newest' && !abi.startsWith(`${kernel}.`)) {
    throw new Error(`wanted a ${kernel} kernel, apt has ${abi}`);
  }
  // Newer ones come in parts.
  const parts = (await depends(`linux-image-${abi}`)).matchAll(
    /Depends: (linux-(?:binary|modules)-\S+)/g,
  );
  const headers = `linux-headers-${abi}`;
  const headersNeed = await depends(headers);
  return {
    abi,
    aptOptions: options,
    packages: [
      `linux-image-${abi}`,
      ...Array.from(parts, ([, name]) => name!),
      ...(kernel === 'newest' ? NEWER_LIBRARIES : []),
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
