/** Runs one schedule with dreg-mpi and with other MPI libraries; what each rank got must be the same. */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { packageRoot } from '../../../native/addon.ts';
import { dregrunWords } from '../../jobs/run.ts';
import { start, temporaryFolder } from '../../tools/launcher.ts';

/** Another implementation: its compiler and what starts its programs. */
export interface Library {
  name: string;
  compiler: string;
  /** Debian's packages. */
  packages: string;
  start(ranks: number): string[];
}

export const LIBRARIES: readonly Library[] = [
  {
    name: 'MPICH',
    compiler: 'mpicc.mpich',
    packages: 'libmpich-dev, mpich',
    start: (ranks) => ['mpiexec.hydra', '-n', String(ranks)],
  },
  {
    name: 'Open MPI',
    compiler: 'mpicc.openmpi',
    packages: 'libopenmpi-dev, openmpi-bin',
    start: (ranks) => [
      'mpirun.openmpi',
      '--allow-run-as-root',
      '--oversubscribe',
      '-n',
      String(ranks),
    ],
  },
];

/** Ends a library's job that hangs; only a schedule with a fault needs it. */
const TIMEOUT_SECONDS = '300';

const SOURCES = join(packageRoot(), 'test/conformance/mpi');

/** The parts of traces that each step `own` begins: the first is what other libraries run, too. */
export function partsOf(traces: readonly (readonly string[])[]): string[][][] {
  const parts: string[][][] = [];
  for (const [rank, lines] of traces.entries()) {
    let part = 0;
    for (const line of lines) {
      if (line.endsWith(' own')) part++;
      parts[part] ??= traces.map(() => []);
      parts[part][rank].push(line);
    }
  }
  return parts;
}

export class Comparison {
  readonly ranks: number;
  /** Those of our first run. */
  traces: string[][] = [];
  /** `OPERATION algorithm` of all that our runs have taken. */
  readonly algorithms = new Set<string>();
  readonly #folder = temporaryFolder();
  readonly #lines: string[];

  constructor(lines: string[], ranks: number) {
    this.ranks = ranks;
    this.#lines = lines;
    writeFileSync(this.#path('schedule'), `${lines.join('\n')}\n`);
  }

  #path(name: string): string {
    return join(this.#folder.path, name);
  }

  /** The trace of each rank, with dreg-mpi. */
  async own(environment: Record<string, string> = {}): Promise<string[][]> {
    const words = [this.#path('schedule'), this.#path('own')];
    const command = dregrunWords('conformance/mpi/programs/schedule', { ranks: this.ranks, words });
    const traces = await this.#run([process.execPath, ...command], 'own', environment);
    for (let rank = 0; rank < this.ranks; rank++)
      for (const name of readFileSync(this.#path(`own.${rank}.algorithms`), 'utf8').split('\n'))
        this.algorithms.add(name);
    return traces;
  }

  /** The same with another library. */
  async other(library: Library): Promise<string[][]> {
    const program = this.#path(library.compiler);
    const sources = readdirSync(SOURCES).filter((name) => name.endsWith('.c'));
    const paths = sources.map((name) => join(SOURCES, name));
    execFileSync(library.compiler, ['-O1', '-Wall', '-Werror', '-o', program, ...paths]);
    const words = [program, this.#path('schedule'), this.#path('other')];
    const command = ['timeout', TIMEOUT_SECONDS, ...library.start(this.ranks), ...words];
    return this.#run(command, 'other', {});
  }

  async #run(
    [file, ...words]: string[],
    name: string,
    environment: Record<string, string>,
  ): Promise<string[][]> {
    const ended = await start(file, words, { environment }).ended;
    expect(ended.status, ended.stderr).toBe(0);
    return Array.from({ length: this.ranks }, (_, rank) =>
      readFileSync(this.#path(`${name}.${rank}`), 'utf8')
        .trimEnd()
        .split('\n'),
    );
  }

  /** The first difference, with the step that it is of. The other trace may be of the same steps at another place. */
  difference(own: string[][], other: string[][]): string | undefined {
    const told = (line: string | undefined) => line?.replace(/^\d+ /, '');
    for (const [rank, lines] of own.entries())
      for (const at of Array(Math.max(lines.length, other[rank].length)).keys()) {
        if (told(lines[at]) === told(other[rank][at])) continue;
        const line = Number.parseInt(lines[at] ?? other[rank][at], 10);
        const seed = lines.slice(0, at + 1).findLast((text) => / seed \d+$/.test(text));
        return `rank ${rank},${seed}: '${this.#lines[line - 1]}' gave '${lines[at]}', not '${other[rank][at]}'`;
      }
    return undefined;
  }

  remove(): void {
    this.#folder.remove();
  }
}
