/** Which CPUs each rank may run on. */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { addon } from '../../native/addon.ts';
import { check } from '../base/error.ts';

export type Binding = 'core' | 'none';

/** The CPUs (hardware threads) of one core. */
export type Core = readonly number[];

const TOPOLOGY = '/sys/devices/system/cpu';

/** '0-3,8' as numbers; unknown text gives none. */
export function parseCpuList(text: string): number[] {
  const cpus: number[] = [];
  for (const part of text.trim().split(',')) {
    const [, first, , last] = /^([0-9]+)(-([0-9]+))?$/.exec(part) ?? [];
    if (first === undefined) return [];
    for (let cpu = Number(first); cpu <= Number(last ?? first); cpu++) cpus.push(cpu);
  }
  return cpus;
}

function siblingsOf(cpu: number): number[] {
  try {
    const file = `${TOPOLOGY}/cpu${cpu}/topology/thread_siblings_list`;
    return parseCpuList(readFileSync(file, 'utf8'));
  } catch {
    return []; // No sysfs: a CPU counts as a core.
  }
}

/** The cores that these CPUs belong to, each with only those CPUs that are in the list. */
export function groupByCore(
  allowed: readonly number[],
  siblings: (cpu: number) => number[] = siblingsOf,
): Core[] {
  const cores: Core[] = [];
  const seen = new Set<number>();
  for (const cpu of allowed) {
    if (seen.has(cpu)) continue;
    const core = [cpu, ...siblings(cpu).filter((other) => other !== cpu)];
    const usable = core.filter((other) => allowed.includes(other) && !seen.has(other));
    for (const other of usable) seen.add(other);
    cores.push(usable);
  }
  return cores;
}

/** The CPUs that this process may use; undefined where the kernel does not say. */
export function allowedCpus(): number[] | undefined {
  const cpus = addon().affinityGet();
  return typeof cpus === 'number' ? undefined : cpus;
}

export interface BindingPlan {
  binding: Binding;
  /** How many cores the job has, bound or not. */
  cores: number;
  /** The CPUs of rank r are `places[r % places.length]`; empty when ranks are not bound. */
  places: readonly Core[];
}

/**
 * Binds ranks when asked to. Without being asked it binds the ranks of a job of two or more, if each gets a
 * core of its own. A single rank gains nothing by binding, and two such jobs would share one core. When
 * asked with more ranks than cores, ranks take the cores in turn.
 */
export function planBinding(
  wanted: Binding | undefined,
  ranks: number,
  allowed: readonly number[] | undefined,
  siblings?: (cpu: number) => number[],
): BindingPlan {
  if (!allowed || allowed.length === 0)
    return { binding: 'none', cores: availableParallelism(), places: [] };
  const cores = groupByCore(allowed, siblings);
  const binding = wanted ?? (ranks >= 2 && ranks <= cores.length ? 'core' : 'none');
  return { binding, cores: cores.length, places: binding === 'core' ? cores : [] };
}

/**
 * Whether processes may be bound at all; a container's seccomp profile may forbid it.
 * @throws MpiError ERR_SYSTEM where binding was asked for.
 */
export function mayBind(wanted: Binding | undefined, allowed: readonly number[]): boolean {
  if (allowed.length === 0) return true; // Then there is nothing to bind to.
  const answer = addon().affinitySet([...allowed]);
  if (answer < 0 && wanted === 'core')
    check(answer, 'sched_setaffinity', '--bind-to core (--bind-to none does without)');
  return answer >= 0;
}
