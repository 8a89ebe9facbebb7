/** The programs whose times are compared: the floor, the peers, and ours. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../../../native/addon.ts';
import { benchEnvironment } from '../environment.ts';

/** One figure of one program. */
export interface Figure {
  /** Who: 'ours', or a peer's name. */
  who: string;
  /** What was measured: one of {@link MEASURES}. */
  measure: string;
  bytes: number;
  ns: number;
}

/** What is measured, and how the tables call it. */
export const MEASURES = {
  sync: 'half round trip, blocking',
  allocated: 'half round trip, blocking, MPI.allocate',
  'rate-sync': 'time per message, sendSync and recvSync',
  'rate-nonblocking': 'time per message, isend, irecv, waitAll',
  await: 'half round trip, awaited',
} as const;

const dist = (path: string) => join(packageRoot(), 'dist', path);
const DREGRUN = dist('bundle/dregrun.js');

/** Runs a program to its end and gives what it wrote to stdout; its failure is ours. */
export async function run(file: string, words: readonly string[]): Promise<string> {
  const child = spawn(file, words, {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: benchEnvironment(),
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  const status = await new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve(signal ?? code));
  });
  if (status !== 0) throw new Error(`${[file, ...words].join(' ')} ended with status ${status}`);
  return output;
}

export function runJob(ranks: number, program: string, words: readonly string[]): Promise<string> {
  const options = ['-n', String(ranks), '--bind-to', ranks === 2 ? 'core' : 'none'];
  return run(process.execPath, [DREGRUN, ...options, dist(program), ...words]);
}

export function jsonLines(text: string): Record<string, unknown>[] {
  return text
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

/** Builds the floor's program; `measure` runs it. */
export async function buildFloor(): Promise<{ measure(): Promise<number>; remove(): void }> {
  const folder = mkdtempSync(join(tmpdir(), 'dreg-bench-'));
  const program = join(folder, 'floor');
  const remove = () => rmSync(folder, { recursive: true, force: true });
  try {
    await run('cc', ['-O2', join(packageRoot(), 'test/bench/p2p/floor.c'), '-o', program]);
  } catch (cause) {
    remove();
    throw new Error('the floor was not built (Debian: apt-get install gcc libc6-dev)', { cause });
  }
  return { measure: async () => Number(await run(program, [])), remove };
}

/** A peers' runner: a program that is called as `FILE latency|rate BYTES…` and prints JSON lines. */
export async function runPeers(
  file: string,
  mode: 'latency' | 'rate',
  sizes: readonly number[],
): Promise<Figure[]> {
  const rows = jsonLines(await run(file, [mode, ...sizes.map(String)]));
  // A floor of the runner's own is no peer; the rounds have theirs.
  return rows
    .filter(({ peer }) => typeof peer === 'string' && peer !== 'floor')
    .map(({ peer, bytes, ns }) => ({
      who: String(peer),
      measure: mode,
      bytes: Number(bytes),
      ns: Number(ns),
    }));
}

/** The words of the example that measures something. */
const OURS: Record<keyof typeof MEASURES, [program: string, words: string[]]> = {
  sync: ['pingpong', ['--modes', 'sync']],
  allocated: ['pingpong', ['--modes', 'sync', '--allocate']],
  'rate-sync': ['bandwidth', ['--modes', 'sync']],
  'rate-nonblocking': ['bandwidth', ['--modes', 'nonblocking']],
  await: ['pingpong', ['--modes', 'async']],
};

export async function runOurs(
  measure: keyof typeof MEASURES,
  sizes: readonly number[],
): Promise<Figure[]> {
  const [program, words] = OURS[measure];
  const text = await runJob(2, `examples/${program}.js`, [
    ...words,
    '--json',
    '--sizes',
    sizes.join(','),
  ]);
  return jsonLines(text).map(({ bytes, ns }) => ({
    who: 'ours',
    measure,
    bytes: Number(bytes),
    ns: Number(ns),
  }));
}
