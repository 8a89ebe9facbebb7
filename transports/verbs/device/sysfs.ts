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

/**
 * So many places of a port's table that are not in use, one after another, end it: the kernel takes
 * the first free place for a GID, and reading all of rxe's 1024 takes longer than all else of a start.
 */
const UNUSED_GIDS = 64;

/** A port's GIDs in the order of their indices, and `wanted`; those that are not in use are left out. */
export function gidsOf(device: string, port: number, wanted?: number, root = CLASS): GidEntry[] {
  const folder = join(root, device, 'ports', String(port));
  const places = list(join(folder, 'gids'))
    .map(Number)
    .sort((a, b) => a - b);
  const entries: GidEntry[] = [];
  let unused = 0;
  for (const index of places) {
    if (unused >= UNUSED_GIDS && index !== wanted) continue;
    const gid = read(join(folder, 'gids', String(index))).replaceAll(':', '');
    unused = /[^0]/.test(gid) ? 0 : unused + 1;
    if (unused > 0) continue;
    entries.push({ index, gid, type: read(join(folder, 'gid_attrs', 'types', String(index))) });
  }
  return entries;
}

/** Whether the device is a program of the kernel's (rxe, siw), which needs the processor to work. */
export function isSoftware(device: string, root = CLASS): boolean {
  try {
    return realpathSync(join(root, device)).includes('/devices/virtual/');
  } catch {
    return false;
  }
}
