/** Two hosts on this machine: namespaces joined by a network, and ranks on both that MPICH's hydra starts. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { packageRoot } from '../../native/addon.ts';

export const HOSTS = ['host0', 'host1'] as const;
export type HostName = (typeof HOSTS)[number];

/** The network between the hosts, on which eth0 of each is. */
export const NETWORK = '10.77.0.0/24';
export const ADDRESS: Record<HostName, string> = { host0: '10.77.0.1', host1: '10.77.0.2' };
/** Where the launcher's own connections end: {@link Hosts.silence} leaves them alone. */
const LAUNCHER_PORTS = [5900, 5999] as const;
/** Of whoever starts the words of {@link Hosts.mpiexec}. */
export const LAUNCHER_ENVIRONMENT = { MPIEXEC_PORT_RANGE: LAUNCHER_PORTS.join(':') };

/** What the link does to packets, in each direction. */
export interface Shape {
  delayUs?: number;
  /** Lost packets of a million. */
  lossPpm?: number;
  /** Packets of a million that overtake those that are delayed. */
  reorderPpm?: number;
}

const run = promisify(execFile);
const source = (name: string) => join(packageRoot(), 'test/network', name);

/** Ranks on both hosts. */
export interface HydraJob {
  ranks: number;
  /** So many ranks on host0, then as many on host1, and again: 1 unless told. */
  perHost?: number;
  /** Node's arguments. */
  words: readonly string[];
  /** Each rank on one CPU, by its number: hydra would bind the ranks of both hosts to the same ones. */
  pinned?: boolean;
}

/** Opens two hosts; {@link Hosts.close} takes them away, and so does the end of this process. */
export async function openHosts(shape: Shape = {}): Promise<Hosts> {
  const folder = mkdtempSync(join(tmpdir(), 'dreg-hosts-'));
  try {
    return await openIn(folder, shape);
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
}

async function openIn(folder: string, shape: Shape): Promise<Hosts> {
  const { delayUs = 0, lossPpm = 0, reorderPpm = 0 } = shape;
  const shaped = [delayUs, lossPpm, reorderPpm];
  const wire: string[] = [];
  if (shaped.some((one) => one > 0)) {
    wire.push(join(folder, 'wire'));
    await run('cc', ['-O2', source('wire.c'), '-o', wire[0]]);
  }
  const names = HOSTS.map((name) => `${ADDRESS[name]} ${name}\n`);
  writeFileSync(join(folder, 'hosts'), ['127.0.0.1 localhost\n', ...names].join(''));
  for (const [name, text] of Object.entries(SCRIPTS))
    writeFileSync(join(folder, name), `#!/bin/sh\n${text}`, { mode: 0o755 });
  const options = ['--pid', '--mount', '--fork', '--kill-child=KILL', '--mount-proc'];
  const script = ['sh', source('room.sh'), folder, ...shaped.map(String), ...wire];
  // Nothing is ever written to it: the hosts end when this process has closed its end, as it does by dying. What
  // takes the folder away is in no group of ours, and a signal to the group leaves it that time.
  const room = spawn('unshare', [...options, ...script], {
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: true,
  });
  let told = '';
  room.stderr.setEncoding('utf8').on('data', (text: string) => {
    told += text;
  });
  const ended = once(room, 'close');
  let said = '';
  for await (const text of room.stdout.setEncoding('utf8')) {
    said += text;
    if (said.includes('\n')) break;
  }
  const [, by] = /^ready (\w+)\n/.exec(said) ?? [];
  if (by === undefined) {
    await ended;
    throw new Error(`no two hosts here: ${told.trim()}`);
  }
  const { stdout } = await run('pgrep', ['--parent', String(room.pid)]);
  return new Hosts(folder, stdout.trim(), by, async () => {
    room.stdin.end();
    await ended;
  });
}

/** In the folder of the hosts, by name; each finds the others beside itself. */
const SCRIPTS = {
  // enter HOST COMMAND...: runs a command on a host.
  enter: `folder=$(dirname "$0") host=$1
shift
exec nsenter --target "$(cat "$folder/$host.pid")" --net --uts --ipc --mount --wdns="$PWD" -- "$@"
`,
  // What launchers call in place of ssh: launch [-x] HOST WORDS, which the far shell reads.
  launch: `[ "$1" != -x ] || shift
host=$1
shift
exec "$(dirname "$0")/enter" "$host" sh -c "$*"
`,
  // rank COMMAND...: what each rank is started with, since hydra gives all of them one environment.
  rank: `DREG_NODE_ID=$(hostname) exec "$@"
`,
  pinned: `exec taskset -c $((PMI_RANK % $(nproc))) "$(dirname "$0")/rank" "$@"
`,
};

export class Hosts {
  readonly folder: string;
  /** The process that all of them end with, by the machine's own numbers. */
  readonly #room: string;
  readonly #close: () => Promise<void>;
  /** What joins them: veth; with a shape netem, or the program wire.c where the kernel has no netem. */
  readonly link: string;

  constructor(folder: string, room: string, link: string, close: () => Promise<void>) {
    this.folder = folder;
    this.#room = room;
    this.link = link;
    this.#close = close;
  }

  /** Words that run a command on a host; its processes have numbers of their own. */
  words(host: HostName, command: readonly string[]): string[] {
    const enter = ['nsenter', '--target', this.#room, '--pid', '--mount'];
    return [
      ...enter,
      `--wdns=${process.cwd()}`,
      '--',
      join(this.folder, 'enter'),
      host,
      ...command,
    ];
  }

  /** The program that launchers call in place of ssh. */
  get agent(): string {
    return join(this.folder, 'launch');
  }

  /** Runs a command on a host to its end. @throws where it fails */
  async run(host: HostName, ...command: string[]): Promise<string> {
    const [file, ...words] = this.words(host, command);
    return (await run(file, words)).stdout;
  }

  /** Words that start ranks on both hosts, from host0. */
  mpiexec({ ranks, perHost = 1, words, pinned = false }: HydraJob): string[] {
    const launcher = ['-launcher', 'ssh', '-launcher-exec', this.agent];
    const where = ['-hosts', HOSTS.join(','), '-ppn', String(perHost), '-n', String(ranks)];
    const rank = [join(this.folder, pinned ? 'pinned' : 'rank'), process.execPath, ...words];
    return this.words('host0', ['mpiexec.hydra', ...launcher, ...where, ...rank]);
  }

  /** Nothing of one host arrives at the other any more, but for what the launcher's processes say. */
  async silence(host: HostName): Promise<void> {
    const [low, high] = LAUNCHER_PORTS;
    const fromOther = ['tcp sport', 'tcp dport'].map((port) => `${port} ${low}-${high} accept\n`);
    const rules = [...fromOther, 'drop\n'].map((rule) => `iifname eth0 ${rule}`).join('');
    const chain = `chain in {\ntype filter hook input priority 0\n${rules}}\n`;
    await this.run(host, 'nft', `table inet silence {\n${chain}}\n`);
  }

  /** Takes back {@link silence}. */
  async speak(host: HostName): Promise<void> {
    await this.run(host, 'nft', 'delete', 'table', 'inet', 'silence');
  }

  /** The link of a host goes up or down. */
  async setLink(host: HostName, state: 'up' | 'down'): Promise<void> {
    await this.run(host, 'ip', 'link', 'set', 'eth0', state);
  }

  /** Ends whatever runs on the hosts, and both of them. */
  close(): Promise<void> {
    return this.#close();
  }
}
