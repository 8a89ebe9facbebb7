/** How the examples read their command lines: every rank reads alike, and rank 0 speaks for all. */
import { type ParseArgsConfig, parseArgs } from 'node:util';
import { MPI } from 'dreg-mpi';

type Options = NonNullable<ParseArgsConfig['options']>;

/** What was given by name: a text, or that it was there. */
export type Given = Record<string, string | boolean | undefined>;

/**
 * @param read makes settings of the options; throws where one is wrong
 * @returns null where there is nothing to do: help was asked for, or an argument is wrong
 */
export function readCommandLine<Settings>(
  program: string,
  help: string,
  options: Options,
  read: (given: Given) => Settings,
): Settings | null {
  try {
    const { values } = parseArgs({ options: { ...options, help: { type: 'boolean' } } });
    if (!values.help) return read(values as Given);
    if (MPI.world.rank === 0) process.stdout.write(help);
  } catch (error) {
    refuse(`${program}: ${(error as Error).message}; see --help`);
  }
  return null;
}

/** Ends with status 2, after rank 0 has said why. */
export function refuse(message: string): void {
  process.exitCode = 2;
  try {
    if (MPI.world.rank === 0) console.error(message);
    // The first rank that fails ends the job: not before rank 0 has said why.
    MPI.world.barrierSync();
  } catch {
    // MPI did not start, so nobody knows who is rank 0.
    console.error(message);
  }
}

/** A whole number from `least` on. */
export function wholeNumber(given: Given, name: string, least: number): number {
  const text = given[name] as string;
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= least && Number.isSafeInteger(value)) return value;
  throw new Error(`--${name}: "${text}" is no whole number from ${least} on`);
}
