/** One rank's process: how it is started, and its connections to dregrun. */
import { closeSync } from 'node:fs';
import { Socket } from 'node:net';
import type { Duplex, Readable } from 'node:stream';
import { addon } from '../../native/addon.ts';
import { check } from '../base/error.ts';
import { type ProcessEnd, startChild, type Used } from './child.ts';
import type { Program } from './program.ts';

export interface RankOptions {
  rank: number;
  program: Program;
  environment: NodeJS.ProcessEnv;
  workingDirectory: string | undefined;
  /** The rank's stdin; null is /dev/null. */
  stdin: number | null;
  /** The rank gets dregrun's own stdout and stderr: nothing has to be merged or tagged. */
  ownOutput: boolean;
  /** Its stderr is its stdout: what it writes stays in order. */
  merged: boolean;
  /** The keeper's ledger; -1 where there is none. */
  ledger: number;
  /** The signals that dregrun was started to ignore. */
  ignored: readonly number[];
  cpus: readonly number[] | undefined;
}

export interface RankProcess {
  readonly rank: number;
  /** Its pid, and its process group's. */
  readonly pid: number;
  readonly ended: Promise<ProcessEnd>;
  readonly used: Used;
  readonly pmi: Duplex;
  readonly stdout: Readable | undefined;
  readonly stderr: Readable | undefined;
}

type Pair = [ours: number, theirs: number];

function pairOf(answer: Pair | number, call: string, purpose: string): Pair {
  if (typeof answer !== 'number') return answer;
  check(answer, call, purpose);
  throw new Error('unreachable');
}

/**
 * Starts a rank in a session and process group of its own. Its output goes through pipes, which a
 * program can open by /dev/stdout; its PMI connection is a socket.
 * @throws MpiError ERR_SYSTEM with the call that failed.
 */
export function startRank(options: RankOptions): RankProcess {
  const pairs: Pair[] = [];
  try {
    pairs.push(pairOf(addon().socketPair(), 'socketpair', 'its PMI connection'));
    for (const name of pipesOf(options))
      pairs.push(pairOf(addon().pipeCreate(), 'pipe2', `its ${name}`));
    const [pmi, ...output] = pairs;
    const stdoutFd = output[0]?.[1] ?? 1;
    const stderrFd = options.merged ? stdoutFd : (output[1]?.[1] ?? 2);
    const child = startChild({
      words: [options.program.file, ...options.program.words],
      environment: options.environment,
      directory: options.workingDirectory,
      fds: [options.stdin, stdoutFd, stderrFd, pmi[1]],
      ledger: options.ledger,
      diesWithParent: true,
      ignored: options.ignored,
      cpus: options.cpus,
    });
    const [stdout, stderr] = output.map(([readEnd]) => readPipe(readEnd));
    return { ...child, rank: options.rank, pmi: new Socket({ fd: pmi[0] }), stdout, stderr };
  } catch (error) {
    for (const [ours] of pairs) closeSync(ours);
    throw error;
  } finally {
    for (const [, theirs] of pairs) closeSync(theirs);
  }
}

function pipesOf({ ownOutput, merged }: RankOptions): string[] {
  if (ownOutput) return [];
  return merged ? ['stdout'] : ['stdout', 'stderr'];
}

function readPipe(fd: number): Readable {
  const socket = new Socket({ fd, readable: true, writable: false });
  socket.on('error', () => socket.destroy());
  return socket;
}
