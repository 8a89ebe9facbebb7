/** Where in the machine a rank is: what it shares with others (MPI 4.1, 7.4.2, MPI_COMM_TYPE_HW_GUIDED). */
import { readdirSync, readFileSync } from 'node:fs';
import { addon } from '../../native/addon.ts';

/** Memory; or a part of the machine that a rank may run on. */
export const MACHINE_PARTS = ['shared', 'numa', 'socket', 'l3', 'core'] as const;
/**
 * What ranks may share (MPI 4.1, 7.4.2): memory ('shared'); a NUMA node, a socket, a third-level cache, or a
 * core that they may run on.
 */
export type MachinePart = (typeof MACHINE_PARTS)[number];

const CPUS = '/sys/devices/system/cpu';

/** The parts that these CPUs belong to, as text: the same for the same parts. */
export function partsOf(
  part: Exclude<MachinePart, 'shared'>,
  cpus: readonly number[],
  root = CPUS,
): string {
  const found = new Set(cpus.map((cpu) => LOOK[part](`${root}/cpu${cpu}`)));
  return [...found].sort().join(';');
}

/** The part that a CPU belongs to; of what the machine does not tell there is one. */
const LOOK: Record<Exclude<MachinePart, 'shared'>, (folder: string) => string> = {
  numa: (folder) => names(folder).find((name) => /^node\d+$/.test(name)) ?? '',
  socket: (folder) => read(`${folder}/topology/physical_package_id`),
  l3: (folder) => {
    const caches = names(`${folder}/cache`).map((name) => `${folder}/cache/${name}`);
    const third = caches.find((cache) => read(`${cache}/level`) === '3');
    return third === undefined ? '' : read(`${third}/shared_cpu_list`);
  },
  core: (folder) => read(`${folder}/topology/thread_siblings_list`),
};

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return '';
  }
}

function names(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/**
 * Where this rank is, as text: ranks of one machine with the same text share the part, or the same parts.
 * @param near the ranks of this machine, ascending
 */
export function placeOf(part: MachinePart, near: readonly number[]): string {
  const machine = `${near[0]}`;
  if (part === 'shared') return machine;
  const cpus = addon().affinityGet();
  return `${machine} ${partsOf(part, typeof cpus === 'number' ? [] : cpus)}`;
}
