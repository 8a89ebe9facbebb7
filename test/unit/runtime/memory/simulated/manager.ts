/** What the tests of the manager share, over the simulated address space. */
import { MpiError } from '../../../../../runtime/base/error.ts';
import type { SimulatedOperation } from './domain.ts';
import { PAGE } from './space.ts';
import { ARENA, type World } from './world.ts';

export const nothing: SimulatedOperation = { direction: 'out', done: () => {} };

/** The code of the MpiError that a call throws. */
export function codeOf(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    if (error instanceof MpiError) return error.code;
    throw error;
  }
  return 'nothing thrown';
}

/** The pages [from, to) of each registration, in order of address. */
export const pagesOf = (world: World) =>
  world.domain.registrations
    .map(({ start, end }) => [(start - ARENA) / PAGE, (end - ARENA) / PAGE])
    .sort(([a], [b]) => a - b);
