/** What the kernel tells of RDMA devices in /sys/class/infiniband. */
import { readdirSync, readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import type { GidEntry } from './select.ts';

const CLASS = '/sys/class/infiniband';

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    // A GID that is not in use has no type: reading it is an error.
    return '';
  }
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** The names of all devices that the kernel has. */
export function deviceNames(root = CLASS): string[] {
  return list(root).sort();
}

/** A port's GIDs in the order of their indices; those that are not in use are left out. */
export function gidsOf(device: string, port: number, root = CLASS): GidEntry[] {
  const folder = join(root, device, 'ports', String(port));
  return list(join(folder, 'gids'))
    .map(Number)
    .sort((a, b) => a - b)
    .map((index) => ({ index, gid: read(join(folder, 'gids', String(index))).replaceAll(':', '') }))
    .filter(({ gid }) => /[^0]/.test(gid))
    .map((entry) => ({
      ...entry,
      type: read(join(folder, 'gid_attrs', 'types', String(entry.index))),
    }));
}

/** Whether the device is a program of the kernel's (rxe, siw), which needs the processor to work. */
export function isSoftware(device: string, root = CLASS): boolean {
  try {
    return realpathSync(join(root, device)).includes('/devices/virtual/');
  } catch {
    return false;
  }
}
