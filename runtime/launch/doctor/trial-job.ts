/** A job of two ranks: the surest sign that jobs run here. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { packageRoot } from '../../../native/addon.ts';
import type { Statistics } from '../../mpi/mpi.ts';

/** After this many milliseconds the job counts as hanging. */
const TIMEOUT_SECONDS = 60;

export interface Trial {
  /** null where the message came as it was sent; else the reason. */
  failure: string | null;
  statistics: Statistics | null;
  /** What the job said on stderr. */
  notes: string;
}

/** The way in which the package runs them, also when this module runs from its source. */
const file = (name: string) => join(packageRoot(), 'dist/bundle', name);

/** Two ranks exchange a message over a transport. */
export async function tryJob(transport: string, variables: NodeJS.ProcessEnv): Promise<Trial> {
  const words = [file('dregrun.js'), '-n', '2', '--timeout', String(TIMEOUT_SECONDS)];
  words.push('--transport', transport, '--', process.execPath, file('trial.js'));
  const env = { ...process.env, ...variables };
  const { stdout, stderr } = await new Promise<{ stdout: string; stderr: string }>((resolve) =>
    execFile(process.execPath, words, { env }, (_error, out, err) =>
      resolve({ stdout: out, stderr: err }),
    ),
  );
  return resultOf(stdout, stderr);
}

function resultOf(stdout: string, stderr: string): Trial {
  const notes = stderr.trim();
  try {
    const { intact, ...statistics } = JSON.parse(stdout) as Statistics & { intact: boolean };
    return { failure: intact ? null : 'the message came with other bytes', statistics, notes };
  } catch {
    return { failure: reasonOf(notes), statistics: null, notes };
  }
}

/** The line with the message of an uncaught error, of the rank that is to blame; else the last line of dregrun. */
function reasonOf(notes: string): string {
  const lines = notes.split('\n');
  const thrown = lines.filter((line) => /^(?:\w+Error|dreg-mpi)\b.*: /.test(line));
  const first = thrown.find((line) => !line.includes("look at that rank's output"));
  return first ?? thrown[0] ?? lines.at(-1) ?? 'it ends without a word';
}
