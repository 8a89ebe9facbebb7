/** Other MPI libraries that this machine has, running peer.c. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../../../native/addon.ts';
import { inPath } from '../environment.ts';
import { jsonLines, run } from '../p2p/programs.ts';

interface Library {
  name: string;
  compiler: string;
  launcher: string[];
  packages: string;
}

/** As pinned as ours, and through shared memory, as ours goes. */
const LIBRARIES: Library[] = [
  {
    name: 'Open MPI',
    compiler: 'mpicc.openmpi',
    launcher: [
      'mpirun.openmpi',
      ...['--allow-run-as-root', '--bind-to', 'core', '-n', '2'],
      ...['--mca', 'pml', 'ob1', '--mca', 'btl', 'self,vader'],
    ],
    packages: 'openmpi-bin libopenmpi-dev',
  },
  {
    name: 'MPICH',
    compiler: 'mpicc.mpich',
    launcher: ['mpiexec.hydra', '-bind-to', 'core', '-n', '2'],
    packages: 'mpich libmpich-dev',
  },
];

export interface Peer {
  name: string;
  /** Nanoseconds by measure. */
  measure(measures: readonly string[]): Promise<Map<string, number>>;
}

/** Builds the program for each library that is there, and says which is not. */
export async function buildPeers(): Promise<{ peers: Peer[]; remove(): void }> {
  const folder = mkdtempSync(join(tmpdir(), 'dreg-bench-'));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  const peers: Peer[] = [];
  try {
    for (const { name, compiler, launcher, packages } of LIBRARIES) {
      if (!inPath(compiler) || !inPath(launcher[0])) {
        console.error(`${name} is not here to compare with (Debian: apt-get install ${packages})`);
        continue;
      }
      const program = join(folder, compiler);
      const source = join(packageRoot(), 'test/bench/operations/peer.c');
      await run(compiler, ['-O2', '-w', source, '-o', program]);
      const [file, ...words] = launcher;
      const measure = async (measures: readonly string[]) => {
        const rows = jsonLines(await run(file, [...words, program, ...measures]));
        return new Map(rows.map(({ measure, ns }) => [String(measure), Number(ns)]));
      };
      peers.push({ name, measure });
    }
  } catch (error) {
    remove();
    throw error;
  }
  return { peers, remove };
}
