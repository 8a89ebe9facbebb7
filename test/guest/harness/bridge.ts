import { describe, expect, test } from 'vitest';
import { tail } from './command.ts';
import { PACKAGED_KERNELS, type PackagedKernel } from './kernels.ts';
import { describeFailure } from './run.ts';
import { missingForSetup } from './setup.ts';
import { type ProgramResult, runSuite, type SuiteProgram, type SuiteResult } from './suite.ts';

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

/** How much of a program's output a failed claim shows. */
const OUTPUT_TAIL_LINES = 30;

/** How many comments from each end. */
const COMMENT_LINES = 60;

/**
 * Where no guest can run, a test of this name says what is missing: skipped, and under CI failed.
 * True when there is nothing to skip.
 */
export function guestsCanRun(what: string): boolean {
  const missing = missingForSetup();
  if (missing.length === 0) return true;
  const reason = `${what}: needs ${missing.join(', ')}`;
  // vitest's own summary only counts what was skipped.
  if (!process.env.CI) process.stderr.write(`skipped: ${reason}\n`);
  test(reason, (context) => {
    if (process.env.CI) throw new Error(`${reason}; under CI nothing may be skipped`);
    context.skip(reason);
  });
  return false;
}

/** The beginning says how to run it again, the end what the claim itself is about. */
function ends(comments: string[]): string[] {
  if (comments.length <= 2 * COMMENT_LINES) return comments;
  return [...comments.slice(0, COMMENT_LINES), '# ...', ...comments.slice(-COMMENT_LINES)];
}

function claimTests({ tap }: ProgramResult): void {
  for (const claim of tap.claims) {
    test(`${claim.number} ${claim.name}`, (context) => {
      if (claim.skip !== undefined) {
        if (process.env.CI) throw new Error(`skipped under CI: ${claim.skip}`);
        context.skip(claim.skip);
      }
      expect(claim.ok, ['not ok', ...ends(claim.comments)].join('\n')).toBe(true);
    });
  }
}

/** A program against a module that is broken on purpose: it must have noticed. */
function mustFailTest({ tap, output, program }: ProgramResult): void {
  const wanted = program.mustFail!;
  test(`notices: a claim like ${wanted.source} fails`, () => {
    const noticed = tap.claims.filter((claim) => !claim.ok && wanted.test(claim.name));
    expect(noticed.length, tail(output, OUTPUT_TAIL_LINES)).toBeGreaterThan(0);
  });
}

function programTests(result: ProgramResult): void {
  const { program, node } = result;
  describe(node === undefined ? program.name : `${program.name}, node ${node}`, () => {
    if (program.mustFail) mustFailTest(result);
    else claimTests(result);
    test('comes to its end, the kernel has not complained', () => {
      const output = tail(result.output, OUTPUT_TAIL_LINES);
      const log = tail(result.log, OUTPUT_TAIL_LINES);
      expect(result.problems, `--- output\n${output}\n--- kernel log\n${log}`).toEqual([]);
    });
  });
}

/** One vitest test for each TAP line of a suite that has run. */
export function suiteTests(result: SuiteResult): void {
  describe(`kernel ${result.kernel}`, () => {
    for (const program of result.programs) programTests(program);
    test('the guest comes to its end, the kernel has not complained', () => {
      expect(result.problems, describeFailure(result.guest)).toEqual([]);
    });
  });
}

/**
 * Runs TAP programs in guests, one boot a kernel, and makes a vitest test of each TAP line. vitest
 * wants to know its tests before it runs any, so call this at a test file's top level, with await.
 */
export async function guestTests(what: string, options: GuestTestOptions): Promise<void> {
  if (!guestsCanRun(what)) return;
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
  describe(what, () => {
    for (const result of results) suiteTests(result);
  });
}
