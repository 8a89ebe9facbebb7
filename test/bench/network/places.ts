/** Where bench:network measures: this machine's loopback, and two hosts that a network with a delay joins. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  ADDRESS,
  type HostName,
  type Hosts,
  LAUNCHER_ENVIRONMENT,
  openHosts,
} from '../../network/hosts.ts';
import { benchEnvironment } from '../environment.ts';

export interface Place {
  readonly name: string;
  /** What joins the hosts: lo, veth, netem, or the program wire.c. */
  readonly link: string;
  readonly hosts: Hosts | null;
  /** Of the host that serves. */
  readonly address: string;
  close(): Promise<void>;
}

/** @param delayUs one way; null: loopback */
export async function openPlace(delayUs: number | null): Promise<Place> {
  if (delayUs === null) {
    const close = async () => {};
    return { name: 'loopback', link: 'lo', hosts: null, address: '127.0.0.1', close };
  }
  const hosts = await openHosts({ delayUs });
  const name = delayUs === 0 ? 'veth' : `veth ${delayUs / 1000} ms`;
  return { name, link: hosts.link, hosts, address: ADDRESS.host1, close: () => hosts.close() };
}

/** Ends what hangs: a peer that waits for ever must not stop the others. */
const PATIENCE_MS = 120_000;

type Command = readonly string[];
const HOST: readonly HostName[] = ['host0', 'host1'];

function begin(place: Place, side: 0 | 1, command: Command, set: NodeJS.ProcessEnv): ChildProcess {
  const pinned = ['taskset', '-c', String(side), ...command];
  const [file, ...words] = place.hosts?.words(HOST[side], pinned) ?? pinned;
  const env = { ...benchEnvironment(), ...set };
  return spawn(file, words, { stdio: ['ignore', 'pipe', 'pipe'], env });
}

function collect(child: ChildProcess): { text(): string; told(): string; ended: Promise<unknown> } {
  let text = '';
  let told = '';
  child.stdout!.setEncoding('utf8').on('data', (part: string) => {
    text += part;
  });
  child.stderr!.setEncoding('utf8').on('data', (part: string) => {
    told += part;
  });
  const timer = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS);
  const ended = once(child, 'close').finally(() => clearTimeout(timer));
  return { text: () => text, told: () => told, ended };
}

/** For so long a server that says nothing of it gets ready. */
const START_MS = 400;

/** Runs a server on one host and its client on the other, each on a core of its own; what the client wrote. */
export async function clientAndServer(
  place: Place,
  server: Command,
  client: Command,
  environment: NodeJS.ProcessEnv = {},
): Promise<string> {
  const serving = begin(place, 1, server, environment);
  const served = collect(serving);
  await new Promise((resolve) => setTimeout(resolve, START_MS));
  const asking = begin(place, 0, client, environment);
  const asked = collect(asking);
  await asked.ended;
  // A server that outlives its client serves nobody.
  if (asking.exitCode !== 0) serving.kill('SIGKILL');
  await served.ended;
  if (asking.exitCode === 0) return asked.text();
  const told = [asked.told(), served.told()].filter(Boolean).join('; ').trim();
  throw new Error(`${client.join(' ')}: status ${asking.exitCode}: ${told}`);
}

/** Runs one command to its end, on host0 if there are hosts; what it wrote. */
export async function command(
  [file, ...words]: Command,
  environment: NodeJS.ProcessEnv = {},
): Promise<string> {
  const env = { ...benchEnvironment(), ...LAUNCHER_ENVIRONMENT, ...environment };
  const child = spawn(file, words, { stdio: ['ignore', 'pipe', 'pipe'], env });
  const { text, told, ended } = collect(child);
  await ended;
  if (child.exitCode === 0) return text();
  throw new Error(`${[file, ...words].join(' ')}: status ${child.exitCode}: ${told().trim()}`);
}
