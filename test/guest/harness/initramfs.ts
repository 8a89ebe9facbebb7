import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { CpioWriter } from './cpio.ts';
import type { Kernel } from './kernels.ts';
import { HARNESS } from './paths.ts';

/** What the guest needs before it can see the machine's files; the rest comes by modprobe. */
const EARLY_MODULES = ['virtio_pci', '9pnet_virtio', '9p'];

const MODULE_BYTES_MAX = 64 << 20;

const BUSYBOX = '/usr/bin/busybox';

const APPLETS = [
  'sh',
  'cat',
  'chroot',
  'dmesg',
  'insmod',
  'mkdir',
  'mount',
  'mv',
  'poweroff',
  'sync',
];

function moduleName(path: string): string {
  return basename(path)
    .replace(/\.ko(\.xz)?$/, '')
    .replaceAll('-', '_');
}

/**
 * The files of EARLY_MODULES and of all they need, in the order of loading, from modules.dep. A
 * module that the kernel has built in is not in there and needs nothing.
 */
export function earlyModules(modulesDep: string): string[] {
  const dependencies = new Map<string, string[]>();
  for (const line of modulesDep.split('\n')) {
    const [path, needs] = line.split(':');
    if (path) dependencies.set(moduleName(path), [path, ...(needs?.trim().split(/\s+/) ?? [])]);
  }
  const order: string[] = [];
  for (const name of EARLY_MODULES) {
    // modules.dep lists what must be loaded first last.
    for (const path of [...(dependencies.get(name) ?? [])].reverse()) {
      if (path !== '' && !order.includes(path)) order.push(path);
    }
  }
  return order;
}

function moduleContent(path: string): Buffer {
  if (!path.endsWith('.xz')) return readFileSync(path);
  return execFileSync('xz', ['--decompress', '--stdout', path], { maxBuffer: MODULE_BYTES_MAX });
}

/** Writes the kernel's initramfs: busybox, the harness's /init and the early modules. */
export async function buildInitramfs(kernel: Kernel): Promise<void> {
  const modules = join(kernel.modulesRoot, 'lib', 'modules', kernel.abi);
  const archive = new CpioWriter();
  for (const folder of ['bin', 'dev', 'modules', 'proc', 'sys', 'host']) archive.folder(folder);
  archive.characterDevice('dev/console', 5, 1);
  archive.file('bin/busybox', readFileSync(BUSYBOX), 0o755);
  for (const applet of APPLETS) {
    archive.link(`bin/${applet}`, 'busybox');
  }
  const names: string[] = [];
  for (const path of earlyModules(readFileSync(join(modules, 'modules.dep'), 'utf8'))) {
    const name = `${moduleName(path)}.ko`;
    names.push(name);
    archive.file(`modules/${name}`, moduleContent(join(modules, path)), 0o644);
  }
  archive.file('modules/order', Buffer.from(names.map((name) => `${name}\n`).join('')), 0o644);
  archive.file('init', await readFile(join(HARNESS, 'guest-init.sh')), 0o755);
  await writeFile(`${kernel.initramfs}.new`, archive.end());
  await rename(`${kernel.initramfs}.new`, kernel.initramfs);
}
