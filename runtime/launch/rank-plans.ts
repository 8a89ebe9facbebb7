/** What each rank of a job is started with. */
import { statSync } from 'node:fs';
import { MpiError } from '../base/error.ts';
import type { Debugged, ProgramSpec, RunCommand } from './command-line/command.ts';
import { findProgram, isScript, type NoProgram, type Program } from './program.ts';

/** The port for the debugger of the lowest rank that is debugged; the next rank's is the next one. */
export const DEBUG_PORT = 9229;

export interface RankPlan {
  program: Program;
  /** Which of the job's programs it runs. */
  appnum: number;
  /** Variables of this rank's program alone. */
  exports: ReadonlyMap<string, string>;
  workingDirectory: string | undefined;
}

/** @throws MpiError ERR_ARG where a directory is none, or a debugger was asked for that cannot be had */
export function planRanks(command: RunCommand, path: string | undefined): RankPlan[] | NoProgram {
  const plans: RankPlan[] = [];
  for (const [appnum, spec] of command.programs.entries()) {
    checkDirectory(spec.workingDirectory);
    const program = findProgram(spec.program, spec.programArguments, path);
    if ('status' in program) return program;
    for (let i = 0; i < spec.ranks; i++)
      plans.push({
        program: debuggable(program, spec, plans.length, command.debug),
        appnum,
        exports: spec.exports,
        workingDirectory: spec.workingDirectory,
      });
  }
  return plans;
}

function debuggable(
  program: Program,
  spec: ProgramSpec,
  rank: number,
  debug: Debugged | undefined,
): Program {
  if (debug === undefined || (debug !== 'all' && debug !== rank)) return program;
  if (!isScript(spec.program))
    throw new MpiError(
      'ERR_ARG',
      `--debug: rank ${rank} runs ${spec.program}, and only a script is debugged; ` +
        `dregrun -- node --inspect-brk=PORT ${spec.program} names the port by itself`,
    );
  const port = DEBUG_PORT + (debug === 'all' ? rank : 0);
  return { ...program, words: [`--inspect-brk=127.0.0.1:${port}`, ...program.words] };
}

function checkDirectory(folder: string | undefined): void {
  if (folder === undefined) return;
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory())
    throw new MpiError('ERR_ARG', `--wdir ${folder}: there is no such directory`);
}
