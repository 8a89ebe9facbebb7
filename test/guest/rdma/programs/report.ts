/**
 * Preloaded (--import) into a rank: when its program has come to its end, the rank leaves the job, and
 * writes what its messages took and what is still pinned to DREG_TEST_REPORT/RANK.json.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { MPI, type Statistics } from '../../../../runtime/index.ts';

export interface Report extends Statistics {
  /** KiB that devices have pinned of this process, after MPI.finalize(). */
  pinned: number;
}

export function pinnedKiB(): number {
  const [, pinned] = /^VmPin:\s+(\d+)/m.exec(readFileSync('/proc/self/status', 'latin1')) ?? [];
  return Number(pinned);
}

// Before MPI's own listener, which would leave the job.
process.once('exit', (code) => {
  const folder = process.env.DREG_TEST_REPORT;
  if (code !== 0 || folder === undefined || !MPI.initialized || MPI.finalized) return;
  const { rank } = MPI.world;
  const statistics = MPI.statistics();
  MPI.finalize();
  const report: Report = { ...statistics, pinned: pinnedKiB() };
  writeFileSync(join(folder, `${rank}.json`), JSON.stringify(report));
});
