/** What a rank executes: the program's file and its arguments. */
import { accessSync, constants, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { extname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

export const EXIT_NOT_EXECUTABLE = 126;
export const EXIT_NOT_FOUND = 127;

const SCRIPT_EXTENSIONS = ['.js', '.mjs', '.cjs'];
const TYPESCRIPT_EXTENSIONS = ['.ts', '.mts', '.cts'];
/** Where the C library looks without a PATH. */
const DEFAULT_PATH = '/bin:/usr/bin';

export interface Program {
  file: string;
  words: string[];
}

/** Why the program cannot be executed, with the status that shells give for that. */
export interface NoProgram {
  status: typeof EXIT_NOT_EXECUTABLE | typeof EXIT_NOT_FOUND;
  message: string;
}

type Look = 'usable' | 'unusable' | 'missing' | 'directory';

/**
 * Finds the program from where dregrun was started, whatever --wdir says. A script runs with this Node, and
 * is looked for in the current directory, not in PATH.
 */
export function findProgram(
  program: string,
  words: readonly string[],
  path: string | undefined,
): Program | NoProgram {
  if (isScript(program)) {
    const file = resolve(program);
    const problem = problemOf(program, look(file, constants.R_OK), 'read');
    if (problem) return problem;
    if (SCRIPT_EXTENSIONS.includes(extname(program)) || runsTypeScript)
      return { file: process.execPath, words: [file, ...words] };
    const loader = typeScriptLoader(file);
    if (loader === undefined) return typeScript(program);
    return { file: process.execPath, words: ['--import', loader, file, ...words] };
  }
  if (program.includes('/')) {
    const file = resolve(program);
    const problem = problemOf(program, look(file, constants.X_OK), 'execute');
    return problem ?? { file, words: [...words] };
  }
  return searchPath(program, words, path ?? DEFAULT_PATH);
}

/** True where a name is that of a program for this Node. */
export function isScript(program: string): boolean {
  const extension = extname(program);
  return SCRIPT_EXTENSIONS.includes(extension) || TYPESCRIPT_EXTENSIONS.includes(extension);
}

/** Node 22.18 and newer drop the types themselves. */
export const runsTypeScript = Boolean(
  (process.features as { typescript?: string | false }).typescript,
);

/** The package that makes an older Node run TypeScript, where the program's folder has it. */
export const LOADER = 'tsx';

function typeScriptLoader(file: string): string | undefined {
  try {
    return pathToFileURL(createRequire(file).resolve(LOADER)).href;
  } catch {
    return undefined;
  }
}

function typeScript(program: string): NoProgram {
  const advice = `compile it, install ${LOADER} (npm install -D ${LOADER}), or take Node 22.18 or newer`;
  const message = `${program}: Node ${process.versions.node} does not run TypeScript; ${advice}`;
  return { status: EXIT_NOT_EXECUTABLE, message };
}

function searchPath(program: string, words: readonly string[], path: string): Program | NoProgram {
  let worst: Look = 'missing';
  for (const folder of path.split(':')) {
    const file = resolve(join(folder === '' ? '.' : folder, program));
    const seen = look(file, constants.X_OK);
    if (seen === 'usable') return { file, words: [...words] };
    if (seen === 'unusable') worst = seen;
  }
  if (worst === 'missing') {
    const here = look(resolve(program), constants.F_OK) === 'usable';
    const hint = here ? `; for the one in this folder write ./${program}` : '';
    return { status: EXIT_NOT_FOUND, message: `${program}: no such program in PATH${hint}` };
  }
  return problemOf(program, worst, 'execute')!;
}

function look(file: string, mode: number): Look {
  try {
    if (statSync(file).isDirectory()) return 'directory';
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    return code === 'ENOENT' || code === 'ENOTDIR' ? 'missing' : 'unusable';
  }
  try {
    accessSync(file, mode);
  } catch {
    return 'unusable';
  }
  return 'usable';
}

function problemOf(program: string, seen: Look, verb: string): NoProgram | undefined {
  switch (seen) {
    case 'usable':
      return undefined;
    case 'missing':
      return { status: EXIT_NOT_FOUND, message: `${program}: no such file` };
    case 'directory':
      return { status: EXIT_NOT_EXECUTABLE, message: `${program}: is a directory` };
    case 'unusable':
      return { status: EXIT_NOT_EXECUTABLE, message: `${program}: no permission to ${verb} it` };
  }
}
