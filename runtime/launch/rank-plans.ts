/** What each rank of a job is started with. */
import { statSync } from 'node:fs';
import { MpiError } from '../base/error.ts';
import type { ProgramSpec, RunCommand } from './command-line/command.ts';
import { findProgram, isScript, type NoProgram, type Program, runsNode } from './program.ts';
import { preloadOf } from './shared-heap.ts';

/** The port for the debugger of the lowest rank that is debugged; the next rank's is the next one. */
export const DEBUG_PORT = 9229;

export interface RankPlan {
  program: Program;
  /** Which of the job's programs it runs. */
  appnum: number;
  /** Variables of this rank's program alone. */
  exports: ReadonlyMap<string, string>;
  workingDirectory: string | undefined;
  /** Its LD_PRELOAD, if that is not dregrun's. */
  preload: string | undefined;
}

/** @throws MpiError ERR_ARG where a directory is none, or a debugger was asked for that cannot be had */
export function planRanks(
  command: RunCommand,
  environment: NodeJS.ProcessEnv,
): RankPlan[] | NoProgram {
  const firstPort = debugPort(environment.DREG_DEBUG_PORT);
  const plans: RankPlan[] = [];
  const preload = preloadOf(command, environment);
  for (const [appnum, spec] of command.programs.entries()) {
    checkDirectory(spec.workingDirectory);
    const program = findProgram(spec.program, spec.programArguments, environment.PATH);
    if ('status' in program) return program;
    for (let i = 0; i < spec.ranks; i++) {
      const rank = plans.length;
      const debugged = command.debug === 'all' || command.debug === rank;
      const port = firstPort && firstPort + (command.debug === 'all' ? rank : 0);
      plans.push({
        program: debugged ? debuggable(program, spec, rank, port) : program,
        appnum,
        exports: spec.exports,
        workingDirectory: spec.workingDirectory,
        preload: runsNode(program) ? preload : undefined,
      });
    }
  }
  return plans;
}

/**
 * @environment DREG_DEBUG_PORT | port | the first port of `--debug`, in place of 9229; 0: the system chooses a
 *   free one for each rank
 */
function debugPort(text: string | undefined): number {
  const port = text === undefined || text === '' ? DEBUG_PORT : Number(text);
  if (Number.isInteger(port) && port >= 0 && port < 2 ** 16) return port;
  throw new MpiError('ERR_ARG', `DREG_DEBUG_PORT=${text}: it must be a port from 0 to 65535`);
}

function debuggable(program: Program, spec: ProgramSpec, rank: number, port: number): Program {
  if (!isScript(spec.program))
    throw new MpiError(
      'ERR_ARG',
      `--debug: rank ${rank} runs ${spec.program}, and only a script is debugged; ` +
        `dregrun -- node --inspect-brk=PORT ${spec.program} names the port by itself`,
    );
  return { ...program, words: [`--inspect-brk=127.0.0.1:${port}`, ...program.words] };
}

function checkDirectory(folder: string | undefined): void {
  if (folder === undefined) return;
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory())
    throw new MpiError('ERR_ARG', `--wdir ${folder}: there is no such directory`);
}
