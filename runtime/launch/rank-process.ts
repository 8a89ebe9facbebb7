/** One rank's process: how it is started, and its connections to dregrun. */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { closeSync } from 'node:fs';
import { Socket } from 'node:net';
import type { Duplex, Readable } from 'node:stream';
import { addon } from '../../native/addon.ts';
import { check, MpiError } from '../base/error.ts';
import { PMI_FD } from './environment.ts';
import type { Program } from './program.ts';

export interface RankOptions {
  rank: number;
  program: Program;
  environment: NodeJS.ProcessEnv;
  workingDirectory: string | undefined;
  /** The rank gets dregrun's own stdout and stderr: nothing has to be merged or tagged. */
  ownOutput: boolean;
}

export interface RankProcess {
  readonly rank: number;
  readonly child: ChildProcess;
  /** Its pid, and its process group's; undefined where it could not be started. */
  readonly pid: number | undefined;
  readonly pmi: Duplex;
  readonly stdout: Readable | undefined;
  readonly stderr: Readable | undefined;
}

/**
 * Starts a rank in a session and process group of its own. Its output goes through real pipes: what
 * node:child_process makes are sockets, which a program cannot open by /dev/stdout.
 */
export function startRank(options: RankOptions): RankProcess {
  const pipes = options.ownOutput ? [] : [createPipe(), createPipe()];
  const stdio: SpawnOptions['stdio'] = [options.rank === 0 ? 0 : 'ignore'];
  if (options.ownOutput) stdio.push(1, 2);
  else for (const [, writeEnd] of pipes) stdio.push(writeEnd);
  stdio[PMI_FD] = 'pipe';
  try {
    const child = spawn(options.program.file, options.program.words, {
      cwd: options.workingDirectory,
      env: options.environment,
      detached: true,
      stdio,
    });
    const pmi = pmiStream(child);
    const [stdout, stderr] = pipes.map(([readEnd]) => readPipe(readEnd));
    return { rank: options.rank, child, pid: child.pid, pmi, stdout, stderr };
  } catch (error) {
    for (const [readEnd] of pipes) closeSync(readEnd);
    throw error;
  } finally {
    for (const [, writeEnd] of pipes) closeSync(writeEnd);
  }
}

function pmiStream(child: ChildProcess): Duplex {
  // Node makes no streams when it is out of descriptors; without a listener its error ends dregrun.
  const stream = child.stdio?.[PMI_FD] as unknown as Duplex | undefined;
  if (stream) return stream;
  child.on('error', () => {});
  throw new MpiError('ERR_SYSTEM', 'dregrun has no descriptors left for another rank');
}

function createPipe(): [readEnd: number, writeEnd: number] {
  const ends = addon().pipeCreate();
  if (typeof ends === 'number') {
    check(ends, 'pipe2', "a rank's output");
    throw new Error('unreachable');
  }
  return ends;
}

function readPipe(fd: number): Readable {
  const socket = new Socket({ fd, readable: true, writable: false });
  socket.on('error', () => socket.destroy());
  return socket;
}
