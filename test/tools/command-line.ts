/**
 * The command line of the programs behind npm's scripts: each has `--help`, and says what is wrong
 * with its arguments in one line, with status 2.
 */
import { type ParseArgsConfig, parseArgs } from 'node:util';

type Options = NonNullable<ParseArgsConfig['options']>;

/** What is wrong with an argument. */
export class UsageError extends Error {}

interface Program<T extends Options, R> {
  /** As npm knows it. */
  name: string;
  help: string;
  options: T;
  /** Whether there are words beside the options. */
  words?: boolean;
  /** Makes settings of the options. @throws UsageError where one has no such value */
  read(values: Values<T>, words: string[]): R;
}

type Values<T extends Options> = ReturnType<
  typeof parseArgs<{ options: T; allowPositionals: true }>
>['values'];

/** The program's settings; null where it has nothing to do, and has said why. */
export function readCommandLine<T extends Options, R>(program: Program<T, R>): R | null {
  const { name, help, options, read } = program;
  const args = process.argv.slice(2);
  if (args.includes('--help')) {
    process.stdout.write(help);
    return null;
  }
  try {
    const allowPositionals = program.words ?? false;
    const { values, positionals } = parseArgs({ args, options, allowPositionals });
    return read(values as Values<T>, positionals);
  } catch (error) {
    if (!isUsage(error)) throw error;
    process.stderr.write(`${name}: ${error.message}; see --help\n`);
    process.exitCode = 2;
    return null;
  }
}

function isUsage(error: unknown): error is Error {
  if (error instanceof UsageError) return true;
  const code = (error as { code?: unknown }).code;
  return typeof code === 'string' && code.startsWith('ERR_PARSE_ARGS');
}

/** A whole number of at least 1. @throws UsageError */
export function positiveInteger(text: string, option: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(value) && value > 0) return value;
  throw new UsageError(`--${option}: "${text}" is no whole number above 0`);
}

/** One of some names. @throws UsageError */
export function oneOf<T extends string>(names: readonly T[], text: string, option: string): T {
  const found = names.find((name) => name === text);
  if (found !== undefined) return found;
  throw new UsageError(`--${option}: "${text}" is none of ${names.join(', ')}`);
}

/** Some of some names, separated by commas. @throws UsageError */
export function someOf<T extends string>(names: readonly T[], text: string, option: string): T[] {
  return text.split(',').map((name) => oneOf(names, name, option));
}
