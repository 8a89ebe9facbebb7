/** The values of dregrun's options. Each function throws MpiError ERR_ARG with a message for the user. */
import { MpiError } from '../../base/error.ts';
import type { Binding } from '../binding.ts';
import type { Debugged, InputFor } from './command.ts';

/** More ranks than this on one machine are a typing error. Each rank costs dregrun three descriptors. */
export const RANKS_LIMIT = 1024;

/** @param most of all machines together */
export function ranksOf(text: string, most: number): number {
  const ranks = /^[0-9]+$/.test(text) ? Number(text) : 0;
  if (ranks < 1 || ranks > most) throw usage(`-n ${text}: the number of ranks is 1 to ${most}`);
  return ranks;
}

export function perHostOf(text: string): number {
  const ranks = /^[0-9]+$/.test(text) ? Number(text) : 0;
  if (ranks < 1 || ranks > RANKS_LIMIT)
    throw usage(`--ppn ${text}: the number of ranks on each machine is 1 to ${RANKS_LIMIT}`);
  return ranks;
}

/**
 * MPICH's variable holds whole seconds; 0 or less is no limit. The option wins over the variable.
 * @environment MPIEXEC_TIMEOUT | seconds | ends the job after this time, unless `--timeout` says otherwise
 */
export function timeoutOf(
  option: string | undefined,
  variable: string | undefined,
): number | undefined {
  if (option === undefined && (!variable || /^(0+|-[0-9]+)$/.test(variable))) return undefined;
  const name = option === undefined ? 'MPIEXEC_TIMEOUT=' : '--timeout ';
  return secondsOf(name, option ?? variable ?? '');
}

export function secondsOf(name: string, text: string): number {
  const seconds = Number(text);
  // A timer of Node takes at most 2^31 - 1 milliseconds.
  if (!/^[0-9.]+$/.test(text) || !(seconds > 0) || seconds > 2_147_483)
    throw usage(`${name}${text}: it must be a number of seconds above 0`);
  return seconds;
}

export function bindingOf(text: string | undefined): Binding | undefined {
  if (text === undefined || text === 'core' || text === 'none') return text;
  throw usage(`--bind-to ${text}: it must be core or none`);
}

export function sharedHeapOf(
  wanted: boolean | undefined,
  unwanted: boolean | undefined,
): boolean | undefined {
  if (wanted && unwanted) throw usage('--shared-heap and --no-shared-heap: leave one of them out');
  return wanted || (unwanted ? false : undefined);
}

export function transportOf(name: string | undefined): string | undefined {
  if (name === '') throw usage('--transport: the name is empty');
  return name;
}

/** `VAR=VALUE`, or `VAR` with the value that it has here. */
export function exportOf(
  text: string,
  environment: NodeJS.ProcessEnv,
): [name: string, value: string] {
  const equals = text.indexOf('=');
  if (equals >= 0) return pairOf('-x', text);
  const value = environment[text];
  if (value === undefined)
    throw usage(`-x ${text}: this variable is not set here; give it a value: -x ${text}=...`);
  return pairOf('-x', `${text}=${value}`);
}

/** @param text the name and the value, with `=` between */
export function pairOf(option: string, text: string): [name: string, value: string] {
  const equals = text.indexOf('=');
  const name = text.slice(0, equals);
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name))
    throw usage(`${option} ${name}: this is no name of a variable`);
  if (name.startsWith('PMI_'))
    throw usage(`${option} ${name}: dregrun sets this variable itself; leave it out`);
  return [name, text.slice(equals + 1)];
}

export function usage(message: string): MpiError {
  return new MpiError('ERR_ARG', message);
}

export function inputOf(text: string, ranks: number): InputFor {
  if (text === 'all' || text === 'none') return text;
  return rankOf('--stdin', text, ranks, ', all, or none');
}

export function debuggedOf(text: string | undefined, ranks: number): Debugged | undefined {
  if (text === undefined || text === 'all') return text;
  return rankOf('--debug', text, ranks, ', or all');
}

function rankOf(option: string, text: string, ranks: number, others: string): number {
  const rank = /^[0-9]+$/.test(text) ? Number(text) : ranks;
  if (rank >= ranks)
    throw usage(`${option} ${text}: it must be a rank from 0 to ${ranks - 1}${others}`);
  return rank;
}

export function folderOf(name: string | undefined): string | undefined {
  if (name === '') throw usage('--output-filename: the name is empty');
  return name;
}
