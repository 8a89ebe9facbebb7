#!/usr/bin/env node
/** The table of launchers in docs/operating/launching.md, as the launchers' tests find it. `npm run docs:launchers` writes it. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { packageRoot } from '../../native/addon.ts';
import {
  DREGRUN_LAUNCHER,
  HYDRA,
  OPEN_MPI,
  type Outcomes,
  SLURM_PMI2,
  SLURM_PMIX,
} from '../unit/runtime/job/launchers/launchers.ts';
import { readCommandLine } from './command-line.ts';
import { between } from './markdown.ts';

const PAGE = join(packageRoot(), 'docs/operating/launching.md');
const LAUNCHERS = [DREGRUN_LAUNCHER('dregrun'), HYDRA, OPEN_MPI, SLURM_PMIX, SLURM_PMI2];

const TRIED: Record<keyof Outcomes, string> = {
  values: 'ranks know who they are, and learn what others put (20,000 letters)',
  messages: 'messages of 8 bytes and 1 MiB; the ranks share the machine',
  child: 'a process that a rank starts is alone',
  abort: '`MPI.abort(7)`',
  abortZero: '`MPI.abort(0)`',
  exit: 'a rank ends with 5 while others wait for it',
  killed: 'a rank is killed by SIGKILL while others wait for it',
  unfinalized: 'a rank ends with 0 without `MPI.finalize()`',
  orphans: 'ranks left when the launcher is killed by SIGKILL',
};

const row = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;

function table(): string {
  const rows = Object.entries(TRIED).map(([key, what]) =>
    row([what, ...LAUNCHERS.map(({ expected }) => expected[key as keyof Outcomes])]),
  );
  return [
    row(['', ...LAUNCHERS.map(({ name }) => name)]),
    row(Array(LAUNCHERS.length + 1).fill('---')),
    row(['speaks', ...LAUNCHERS.map(({ protocol }) => protocol)]),
    ...rows,
  ].join('\n');
}

/** The page as it is, and as it should be. */
export function launchingPage(): { text: string; made: string } {
  const text = readFileSync(PAGE, 'utf8');
  return { text, made: between(text, 'launchers', table()) };
}

const HELP = `usage: npm run docs:launchers

Writes the table of launchers into docs/operating/launching.md.

  --help
`;

function main(): void {
  const settings = readCommandLine({
    name: 'docs:launchers',
    help: HELP,
    options: {},
    read: (values) => values,
  });
  if (settings !== null) writeFileSync(PAGE, launchingPage().made);
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) main();
