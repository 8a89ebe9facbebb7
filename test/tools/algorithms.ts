/** The tables of collective algorithms, of all operations. */
import { ALLGATHER, ALLGATHERV } from '../../runtime/mpi/collective/allgather.ts';
import { ALLREDUCE } from '../../runtime/mpi/collective/allreduce.ts';
import { ALLTOALL } from '../../runtime/mpi/collective/alltoall.ts';
import { ALLTOALLV } from '../../runtime/mpi/collective/alltoallv.ts';
import { BARRIER } from '../../runtime/mpi/collective/barrier.ts';
import { BCAST } from '../../runtime/mpi/collective/bcast.ts';
import { GATHER } from '../../runtime/mpi/collective/gather.ts';
import { REDUCE } from '../../runtime/mpi/collective/reduce.ts';
import { REDUCE_SCATTER } from '../../runtime/mpi/collective/reduce-scatter.ts';
import { SCAN } from '../../runtime/mpi/collective/scan.ts';
import { SCATTER } from '../../runtime/mpi/collective/scatter.ts';
import { LINES, type Table } from '../../runtime/mpi/collective/select.ts';

/** All that modules of the collective operations export (test/unit/tools/algorithms.test.ts). */
export const ALGORITHM_TABLES = [
  ALLGATHER,
  ALLGATHERV,
  ALLREDUCE,
  ALLTOALL,
  ALLTOALLV,
  BARRIER,
  BCAST,
  GATHER,
  REDUCE,
  REDUCE_SCATTER,
  SCAN,
  SCATTER,
] as unknown as readonly Table<never, never>[];

/** What DREG_COLL_… may say for an operation. */
export const namesOf = ({ algorithms, lines }: Table<never, never>): string[] => [
  ...algorithms.map(({ name }) => name),
  ...(lines === undefined ? [] : [LINES]),
];

/** From now on, `OPERATION algorithm` of each one that runs in this process. */
export function recordAlgorithms(): Set<string> {
  const taken = new Set<string>();
  const record = <F extends (...args: never[]) => unknown>(what: string, run: F) =>
    ((...args) => {
      taken.add(what);
      return run(...args);
    }) as F;
  for (const { operation, algorithms, lines } of ALGORITHM_TABLES) {
    for (const one of algorithms)
      Object.assign(one, { run: record(`${operation} ${one.name}`, one.run) });
    if (lines !== undefined)
      Object.assign(lines, { make: record(`${operation} ${LINES}`, lines.make) });
  }
  return taken;
}
