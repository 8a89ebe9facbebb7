/** The machines that --host and --hostfile name. Each function throws MpiError ERR_ARG with a message for the user. */
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import type { HostPlace } from './command.ts';
import { usage } from './values.ts';

/** Each line a host: `name`, `name:ranks` as MPICH writes it, or `name slots=ranks` as Open MPI does. */
export function hostsOfFile(file: string): HostPlace[] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw usage(`--hostfile ${file}: ${(error as Error).message}`);
  }
  const lines = text.split('\n').map((line) => line.replace(/#.*/, '').trim());
  const hosts = lines
    .filter((line) => line !== '')
    .map((line) => hostOf(line, `--hostfile ${file}`));
  if (hosts.length === 0) throw usage(`--hostfile ${file}: it names no host`);
  return hosts;
}

export function hostsOf(list: string): HostPlace[] {
  return list.split(',').map((text) => hostOf(text.trim(), `--host ${list}`));
}

function hostOf(text: string, option: string): HostPlace {
  const [, name, places] =
    /^([A-Za-z0-9][\w.-]*)(?:(?::|\s+slots=)([1-9]\d{0,5}))?$/.exec(text) ?? [];
  if (name === undefined)
    throw usage(`${option}: "${text}" is no host; write name, name:ranks, or name slots=ranks`);
  return { name, places: places === undefined ? undefined : Number(places) };
}

/** Whether all of them are this machine, on which dregrun starts ranks by itself. */
export function areHere(hosts: readonly HostPlace[]): boolean {
  const own = hostname();
  const here = ['localhost', '127.0.0.1', own, own.split('.')[0]];
  return hosts.every(({ name }) => here.includes(name));
}
