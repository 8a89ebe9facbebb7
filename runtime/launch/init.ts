/** `dregrun init`: a first program in the user's folder, and a script that starts it. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, join } from 'node:path';
import { MpiError } from '../base/error.ts';
import { LOADER, runsTypeScript } from './program.ts';

const NAME = 'dreg-mpi';
/** Of a package that a program may ask for: any of this major version. */
const LOADER_RANGE = '^4.20.0';
const SCRIPT = 'pi';

const PROGRAM = `// Each rank adds up its share of the area below a curve. All shares together are pi.
import { MPI, SUM } from 'dreg-mpi';

const { rank, size } = MPI.world;
const STEPS = 10_000_000;

let share = 0;
for (let step = rank; step < STEPS; step += size) {
  const x = (step + 0.5) / STEPS;
  share += 4 / (1 + x * x) / STEPS;
}
console.log(\`rank \${rank} of \${size} has \${share.toFixed(6)}\`);

// Every rank calls this, and rank 0 gets the sum. The others get null.
const pi = await MPI.world.reduce(share, SUM, 0);
if (pi !== null) console.log(\`together: \${pi.toFixed(6)}\`);
`;

/** What `dregrun init` did. */
export interface Written {
  /** Files that are new. */
  written: string[];
  /** Files that have something more now. */
  changed: string[];
  /** Commands that start the program, in order. */
  next: string[];
}

interface Manifest {
  type?: string;
  scripts?: Record<string, string>;
  dependencies?: Record<string, string>;
  devDependencies?: Record<string, string>;
}

/**
 * Nothing is overwritten.
 * @throws MpiError ERR_ARG where something is in the way, ERR_SYSTEM where a file cannot be written
 */
export function writeFirstProgram(
  folder: string,
  version: string,
  needsLoader = !runsTypeScript,
): Written {
  const path = join(folder, 'package.json');
  const text = textOf(path);
  const manifest = text === undefined ? { private: true, type: 'module' } : parse(text);
  // Of a package that is no module a file is one by its name.
  const program = manifest.type === 'module' ? 'pi.ts' : 'pi.mts';
  const made = `${completed(manifest, program, version, needsLoader, indentOf(text))}\n`;
  create(join(folder, program), PROGRAM);
  try {
    if (text === undefined) create(path, made);
    else if (text !== made) writeFileSync(path, made);
  } catch (error) {
    rmSync(join(folder, program), { force: true });
    throw inOurTerms(error, 'package.json');
  }
  const has = (name: string) => isInstalled(folder, name);
  const complete = has(NAME) && (!needsLoader || has(LOADER));
  const manager = packageManager(process.env.npm_config_user_agent);
  return {
    written: text === undefined ? [program, 'package.json'] : [program],
    changed: text === undefined || text === made ? [] : ['package.json'],
    next: [...(complete ? [] : [`${manager} install`]), `${manager} run ${SCRIPT}`],
  };
}

/** What a person reads. */
export function shown({ written, changed, next }: Written): string {
  const [program] = written;
  const made = changed.includes('package.json') ? 'has' : 'is new, with';
  return [
    `${program}: each rank adds up its share of pi`,
    `package.json: ${made} the script ${SCRIPT}, which starts four ranks`,
    '',
    'Now run:',
    ...next.map((command) => `  ${command}`),
  ].join('\n');
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw inOurTerms(error, 'package.json');
  }
}

function parse(text: string): Manifest {
  let manifest: unknown;
  try {
    manifest = JSON.parse(text);
  } catch (error) {
    throw refusal(`package.json is no JSON (${(error as Error).message}): mend it first`);
  }
  if (typeof manifest === 'object' && manifest !== null && !Array.isArray(manifest))
    return manifest as Manifest;
  throw refusal('package.json holds no object: mend it first');
}

/** A package.json with what the program needs, and all that it had. */
function completed(
  manifest: Manifest,
  program: string,
  version: string,
  needsLoader: boolean,
  indent: string,
): string {
  const { scripts = {}, dependencies = {}, devDependencies = {} } = manifest;
  const command = `dregrun -n 4 ${program}`;
  const before = scripts[SCRIPT];
  if (before !== undefined && before !== command)
    throw refusal(`package.json has a script "${SCRIPT}" already, which stays: rename it`);
  const known = { ...dependencies, ...devDependencies };
  const wanted: Manifest = { ...manifest, scripts: { ...scripts, [SCRIPT]: command } };
  if (!(NAME in known)) wanted.dependencies = { ...dependencies, [NAME]: `^${version}` };
  if (needsLoader && !(LOADER in known))
    wanted.devDependencies = { ...devDependencies, [LOADER]: LOADER_RANGE };
  return JSON.stringify(wanted, null, indent);
}

/** How a file is indented: by what its first line is that has an indent. */
const indentOf = (text: string | undefined) => /^([ \t]+)"/m.exec(text ?? '')?.[1] ?? '  ';

function create(path: string, text: string): void {
  try {
    writeFileSync(path, text, { flag: 'wx' });
  } catch (error) {
    throw inOurTerms(error, basename(path));
  }
}

function inOurTerms(error: unknown, file: string): Error {
  const { code, errno, syscall } = error as NodeJS.ErrnoException;
  if (code === 'EEXIST')
    return refusal(`${file} is there already, and stays: move it, or go to another folder`);
  if (errno === undefined || error instanceof MpiError) return error as Error;
  const details = { errno: -errno, ...(syscall !== undefined && { syscall }) };
  return new MpiError('ERR_SYSTEM', `init: ${file}: ${syscall} failed with ${code}`, details);
}

const refusal = (what: string) => new MpiError('ERR_ARG', `init: ${what}`);

/** Whether a program in a folder finds a package. */
function isInstalled(folder: string, name: string): boolean {
  try {
    createRequire(join(folder, 'package.json')).resolve(name);
    return true;
  } catch {
    return false;
  }
}

/** Who runs this command, by the variable that package managers set: `pnpm/9.1.0 npm/? …`. */
function packageManager(agent = ''): string {
  const [name] = agent.split('/');
  return ['pnpm', 'yarn', 'bun'].includes(name) ? name : 'npm';
}
