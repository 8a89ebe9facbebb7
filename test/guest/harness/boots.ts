import { PACKAGED_KERNELS, type PackagedKernel } from './kernels.ts';
import { runSuite, type SuiteProgram, type SuiteResult } from './suite.ts';

export interface GuestTestOptions {
  kernels?: readonly PackagedKernel[];
  /** The programs for one kernel; called only where guests can run. */
  programs: (kernel: PackagedKernel) => SuiteProgram[] | Promise<SuiteProgram[]>;
  /** 2: two guests, see {@link SuiteOptions.nodes}. */
  nodes?: 1 | 2;
  /** The guest that the last program kills on purpose. */
  dies?: number;
  memoryMiB?: number;
  env?: Record<string, string>;
  allowedLog?: RegExp[];
}

/** Runs TAP programs in guests, one boot a kernel. */
export async function runGuests(what: string, options: GuestTestOptions): Promise<SuiteResult[]> {
  const { kernels = PACKAGED_KERNELS, programs, ...suite } = options;
  const progress = (line: string) => process.stderr.write(`${what}: ${line}\n`);
  const results: SuiteResult[] = [];
  for (const kernel of kernels) {
    const result = await runSuite({ ...suite, kernel, programs: await programs(kernel), progress });
    const times = result.programs.map(
      ({ program, seconds }) => `${program.name} ${seconds.toFixed(0)}`,
    );
    progress(`${kernel}: ${result.guest.seconds.toFixed(0)} s in the guest (${times.join(', ')})`);
    results.push(result);
  }
  return results;
}
