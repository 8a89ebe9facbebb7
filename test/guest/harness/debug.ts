import { join } from 'node:path';
import { readCommandLine } from '../../tools/command-line.ts';
import { debugPrograms } from '../kernel/programs.ts';
import { buildDebugKernel } from './debug-kernel.ts';
import { HARNESS } from './paths.ts';
import { describeFailure } from './run.ts';
import {
  type ProgramResult,
  runSuite,
  type SuiteModule,
  type SuiteProgram,
  type SuiteResult,
} from './suite.ts';

const HELP = `usage: npm run guest:debug -- [options] [PROGRAM...]

Builds, once, a small kernel with KASAN, PROVE_LOCKING, DEBUG_ATOMIC_SLEEP and KMEMLEAK; shows that
it notices what it is for; then runs the self-tests of dreg in it. Named programs: those only.

  --build-only   the kernel, and nothing else
  --help
`;

/** The debug kernel, itself under emulation, is about this much slower than a stock one. */
const TIME_SCALE = 10;

/** A boot runs no more programs than this, so that the machine is not taken for too long at a time. */
const PROGRAMS_PER_BOOT = 4;

const MEMORY_MIB = 1024;

/**
 * Not dreg's: Debian's 6.1 splits a hugetlb mapping (munmap of a part) without the lock that
 * hugetlb_split() asserts and its comment takes for granted; it does so with no module loaded, too.
 */
const ALLOWED_LOG = [
  /^WARNING: .* at hugetlb_split\+/,
  // Nor is this, by rxe's source (it was not repeated without the module): a look behind the end of its list of pages, once it has read 256 of them.
  /^BUG: KASAN: slab-out-of-bounds in rxe_mr_copy\+/,
];

/** Last: KASAN tells of one mistake a boot, and lockdep of none after it. In this one rxe makes its own. */
const LAST = 'ofi';

/** Mistakes that a stock kernel does not notice, and how the debug kernel calls them. */
const MISTAKES: [how: string, kind: RegExp][] = [
  // First: after a report of the others lockdep turns itself off.
  ['order', /lockdep: .*circular/],
  ['touch', /KASAN: .*use-after-free/],
  ['sleep', /sleep in atomic/],
];

const progress = (line: string) => process.stderr.write(`guest:debug: ${line}\n`);

function mistake(how: string): SuiteProgram {
  const source = join(HARNESS, 'fixtures', 'complain');
  const module: SuiteModule = { source, parameters: `how=${how}` };
  return { name: how, command: ['/bin/sh', '-c', 'echo 1..1; echo "ok 1 - loaded"'], module };
}

/** A debug kernel that does not see planted mistakes would prove nothing. */
async function checkKernelNotices(): Promise<string[]> {
  const programs = [...MISTAKES.map(([how]) => how), 'leak'].map(mistake);
  const result = await boot(programs);
  const missed: string[] = [];
  for (const [index, [how, kind]] of MISTAKES.entries()) {
    const problems = result.programs[index]!.problems.join('\n');
    if (!kind.test(problems)) missed.push(`${how} was not noticed: ${problems || 'no problem'}`);
  }
  // Leaks are looked for once, at the guest's end.
  if (!result.guest.problems.some((problem) => problem.includes('kmemleak'))) {
    missed.push('leak was not noticed');
  }
  return missed;
}

function boot(programs: SuiteProgram[]): Promise<SuiteResult> {
  const more = { timeScale: TIME_SCALE, memoryMiB: MEMORY_MIB, allowedLog: ALLOWED_LOG, progress };
  return runSuite({ kernel: 'debug', programs, ...more });
}

/**
 * The named programs, or all that a module which is not broken on purpose has to pass. The broken
 * ones show that the self-tests notice, which a stock kernel shows as well.
 */
async function programsToRun(names: string[]): Promise<SuiteProgram[]> {
  const inOrder = await debugPrograms();
  const all = [
    ...inOrder.filter(({ name }) => name !== LAST),
    ...inOrder.filter(({ name }) => name === LAST),
  ];
  const unknown = names.filter((name) => !all.some((program) => program.name === name));
  if (unknown.length > 0) throw new Error(`no program called ${unknown.join(', ')}`);
  if (names.length > 0) return all.filter(({ name }) => names.includes(name));
  return all.filter(({ mustFail }) => mustFail === undefined);
}

function reportProgram({ program, tap, problems, output, seconds }: ProgramResult): boolean {
  const failed = tap.claims.filter((claim) => !claim.ok);
  const skipped = tap.claims.filter((claim) => claim.skip !== undefined);
  const noticed = failed.some((claim) => program.mustFail?.test(claim.name));
  const good = problems.length === 0 && (program.mustFail ? noticed : failed.length === 0);
  const counts = [
    `${tap.claims.length - failed.length} ok`,
    `${failed.length} not ok`,
    `${seconds.toFixed(0)} s`,
  ];
  if (skipped.length > 0) counts.push(`${skipped.length} skipped`);
  const wanted = program.mustFail ? ' (broken on purpose: has to fail)' : '';
  process.stdout.write(
    `${good ? 'pass' : 'FAIL'} ${program.name}: ${counts.join(', ')}${wanted}\n`,
  );
  for (const problem of problems) process.stdout.write(`  ${problem}\n`);
  for (const claim of program.mustFail ? [] : failed) {
    process.stdout.write(`  not ok ${claim.number} ${claim.name}\n`);
    for (const comment of claim.comments) process.stdout.write(`    ${comment}\n`);
  }
  if (!good && tap.claims.length === 0) process.stdout.write(`${output}\n`);
  return good;
}

function report(result: SuiteResult): boolean {
  const good = result.programs.map(reportProgram);
  for (const problem of result.problems) process.stdout.write(`FAIL guest: ${problem}\n`);
  if (result.problems.length > 0) process.stdout.write(`${describeFailure(result.guest)}\n`);
  return result.problems.length === 0 && good.every(Boolean);
}

async function main(): Promise<number> {
  const settings = readCommandLine({
    name: 'guest:debug',
    help: HELP,
    options: { 'build-only': { type: 'boolean', default: false } },
    words: true,
    read: (values, programs) => ({ buildOnly: values['build-only'], chosen: programs }),
  });
  if (settings === null) return Number(process.exitCode ?? 0);
  const { buildOnly, chosen } = settings;
  const kernel = await buildDebugKernel(progress);
  progress(`${kernel.abi} is ready`);
  if (buildOnly) return 0;

  // Whoever names programs is in a hurry.
  const missed = chosen.length === 0 ? await checkKernelNotices() : [];
  for (const line of missed) process.stdout.write(`FAIL debug kernel: ${line}\n`);
  if (chosen.length === 0 && missed.length === 0) {
    process.stdout.write('pass the kernel notices mistakes\n');
  }

  const programs = await programsToRun(chosen);
  let good = missed.length === 0;
  let seconds = 0;
  for (let first = 0; first < programs.length; first += PROGRAMS_PER_BOOT) {
    const result = await boot(programs.slice(first, first + PROGRAMS_PER_BOOT));
    good = report(result) && good;
    seconds += result.guest.seconds;
  }
  process.stdout.write(`debug kernel: ${Math.round(seconds)} s for ${programs.length} programs\n`);
  return good ? 0 : 1;
}

process.exitCode = await main();
