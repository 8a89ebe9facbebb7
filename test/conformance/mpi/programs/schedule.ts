/**
 * Runs a schedule with dreg-mpi: `schedule FILE TRACE`, as schedule.c does with MPI. Each line of the file is a
 * step, `RANK OPERATION WORDS...`; a rank runs its own ones and those of `*`, and writes what it got to TRACE.RANK, and
 * which collective algorithms it took to TRACE.RANK.algorithms.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { MPI } from '../../../../runtime/index.ts';
import { recordAlgorithms } from '../../../tools/algorithms.ts';
import { collective } from '../collective.ts';
import { communicators } from '../communicators.ts';
import { pointToPoint } from '../point-to-point.ts';
import type { Step, Steps } from '../step.ts';

const CHAPTERS: Steps = { ...communicators, ...pointToPoint, ...collective };

const [, , schedule, out] = process.argv;
const { rank } = MPI.world;
const lines: string[] = [];
const algorithms = recordAlgorithms();

for (const [at, text] of readFileSync(schedule, 'utf8').split('\n').entries()) {
  const [whose, operation, ...words] = text.split(' ');
  if (whose !== '*' && whose !== String(rank)) continue;
  // Each habit's turn comes, and never for the same lines of two seeds.
  const way = (at * 0x9e3779b1) >>> 16;
  const step: Step = {
    words,
    numbers: words.map(Number),
    blocks: way % 2 === 0,
    way: way >>> 1,
    trace: (line) => lines.push(`${at + 1} ${line}`),
  };
  const run = CHAPTERS[operation];
  if (run === undefined) throw new Error(`line ${at + 1}: there is no operation ${operation}`);
  await run(step);
}
writeFileSync(`${out}.${rank}`, `${lines.join('\n')}\n`);
writeFileSync(`${out}.${rank}.algorithms`, [...algorithms].join('\n'));
