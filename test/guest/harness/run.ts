import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { copyFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { quote, tail } from './command.ts';
import type { Kernel, KernelName } from './kernels.ts';
import { withMachineLock } from './lock.ts';
import { findProblems } from './log.ts';
import { CACHE, CHECKOUT, HARNESS } from './paths.ts';
import { startQemu } from './qemu.ts';
import { readyKernel } from './ready.ts';

export interface GuestOptions {
  kernel?: KernelName;
  /** A program or script on the machine, with its arguments; or `commands`. */
  script?: string;
  args?: string[];
  /** Shell commands to run in place of a script. */
  commands?: string;
  /** 2: two guests joined by a network, each runs the script; GUEST_NODE tells which it is. */
  nodes?: 1 | 2;
  /** The guest that the test kills on purpose: it has no status, and to live to its end is a problem. */
  dies?: number;
  /** Loaded before the script: a name (modprobe) or a path (insmod), with parameters. */
  modules?: string[];
  /** Environment of the script. */
  env?: Record<string, string>;
  /** The guest is killed, and has failed, after this long. */
  timeoutSeconds?: number;
  memoryMiB?: number;
  /** The guest's clock counts instructions: what it measures is the same on a busy machine. */
  countInstructions?: boolean;
  /** Lines of the kernel's log that this test expects, though they look like a problem. */
  allowedLog?: RegExp[];
  /** Called with the script's output as it comes. */
  onOutput?: (text: string, node: number) => void;
}

export interface NodeResult {
  /** The script's exit status; undefined when the guest did not live to tell. */
  status: number | undefined;
  /** The script's standard output and error. */
  output: string;
  /** The kernel's log. */
  log: string;
  /** What the script left in $GUEST_OUT. */
  files: Map<string, Buffer>;
}

export interface GuestResult extends NodeResult {
  /** Every guest exited with status 0 and no kernel has complained. */
  ok: boolean;
  /** Why not ok. */
  problems: string[];
  /** One a guest; the first one's are the fields above. */
  nodes: NodeResult[];
  /** How often the guests were booted, see {@link BOOTS_MOST}. */
  boots: number;
  seconds: number;
}

/**
 * A kernel that dies before anything of ours has run is booted once more: with several emulated processors
 * it can trip, though rarely, over its own patching of its code (`Oops: int3`).
 */
const BOOTS_MOST = 2;
const DEFAULT_TIMEOUT_SECONDS = 120;
const DEFAULT_MEMORY_MIB = 3072;
const FOLDER_PREFIX = 'dreg-guest-';
/** How much of each log a failure shows. */
const FAILURE_TAIL_LINES = 40;
const OUTPUT_POLL_MS = 100;

/** Removes run folders whose process was killed before it could. */
function sweepRunFolders(): void {
  for (const name of readdirSync(tmpdir())) {
    const pid = name.startsWith(FOLDER_PREFIX) ? Number(name.split('-')[2]) : Number.NaN;
    if (pid > 0 && !existsSync(`/proc/${pid}`)) {
      rmSync(join(tmpdir(), name), { recursive: true, force: true });
    }
  }
}

/** Files the guest reads before it runs the script; see guest-start.sh. */
async function writeSettings(folder: string, kernel: Kernel, options: GuestOptions): Promise<void> {
  const { script, commands, args = [], nodes = 1, modules = [] } = options;
  if ((script === undefined) === (commands === undefined)) {
    throw new Error('runInGuest takes either script or commands');
  }
  if (script !== undefined && !existsSync(script)) throw new Error(`no script ${script}`);
  const words = [
    ...(commands === undefined ? [resolve(script!)] : ['/bin/sh', '/run/guest/commands']),
    ...args,
  ];
  if (commands !== undefined) await writeFile(join(folder, 'commands'), commands);
  const visible = new Set([CHECKOUT, CACHE]);
  for (const path of [...modules, script ?? '']) {
    if (path.startsWith('/')) visible.add(dirname(path.split(' ')[0]!));
  }
  const settings: Record<string, string> = {
    guest_command: words.map(quote).join(' '),
    guest_visible: [...visible].join(' '),
    guest_modules_root: kernel.modulesRoot,
    GUEST_NODES: String(nodes),
    GUEST_KERNEL: kernel.name,
    GUEST_ROOT: CHECKOUT,
  };
  const lines = Object.entries(settings).map(([name, value]) => `${name}=${quote(value)}\n`);
  for (const [name, value] of Object.entries(options.env ?? {})) {
    lines.push(`export ${name}=${quote(value)}\n`);
  }
  await copyFile(join(HARNESS, 'guest-start.sh'), join(folder, 'start'));
  await writeFile(join(folder, 'settings'), lines.join(''));
  await writeFile(join(folder, 'modules'), modules.map((module) => `${module}\n`).join(''));
}

const readText = (path: string) => (existsSync(path) ? readFileSync(path, 'utf8') : '');

/** Passes on what the script prints, while it runs. */
function followOutput(path: string, onOutput: (text: string) => void): () => void {
  let seen = 0;
  const look = () => {
    const text = existsSync(path) ? readFileSync(path) : Buffer.alloc(0);
    if (text.length > seen) onOutput(text.toString('utf8', seen));
    seen = text.length;
  };
  const timer = setInterval(look, OUTPUT_POLL_MS);
  return () => {
    clearInterval(timer);
    look();
  };
}

function readNode(folder: string): NodeResult {
  const status = readText(join(folder, '.status')).trim();
  const files = new Map<string, Buffer>();
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    const name = path.slice(folder.length + 1);
    if (entry.isFile() && !name.startsWith('.')) files.set(name, readFileSync(path));
  }
  // The ring buffer has everything, but only if the guest came to its end; else the console.
  const log = readText(join(folder, '.kernel-log')) || readText(join(folder, '.console'));
  return {
    status: /^\d+$/.test(status) ? Number(status) : undefined,
    output: readText(join(folder, '.output')),
    log: `${log}${readText(join(folder, '.kmemleak'))}`.replaceAll('\r\n', '\n'),
    files,
  };
}

/** Boots one node and waits for its QEMU to end; true if it had to be killed by the timeout. */
async function boot(
  folder: string,
  kernel: Kernel,
  node: number,
  options: GuestOptions,
): Promise<boolean> {
  const nodeFolder = join(folder, `node${node}`);
  const onOutput = options.onOutput;
  const stopFollowing = onOutput
    ? followOutput(join(nodeFolder, '.output'), (text) => onOutput(text, node))
    : () => {};
  const child = startQemu({
    kernel,
    runFolder: folder,
    node,
    nodes: options.nodes ?? 1,
    memoryMiB: options.memoryMiB ?? DEFAULT_MEMORY_MIB,
    countInstructions: options.countInstructions ?? false,
    consolePath: join(nodeFolder, '.console'),
    errorPath: join(nodeFolder, '.qemu'),
  });
  const seconds = options.timeoutSeconds ?? DEFAULT_TIMEOUT_SECONDS;
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    child.kill('SIGKILL');
  }, seconds * 1000);
  try {
    // Its exit status is not looked at: it is 0 after a panic, too.
    await new Promise<void>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', () => resolve());
    });
  } finally {
    clearTimeout(timer);
    stopFollowing();
  }
  return timedOut;
}

/** What is wrong with one node's run, in words. */
function nodeProblems(
  result: NodeResult,
  qemuErrors: string,
  timedOut: boolean,
  options: GuestOptions,
  dies: boolean,
): string[] {
  const problems = findProblems(result.log, options.allowedLog).map(
    ({ kind, line }) => `kernel log: ${kind}: ${line}`,
  );
  const seconds = options.timeoutSeconds ?? DEFAULT_TIMEOUT_SECONDS;
  if (timedOut) problems.push(`the guest was killed after ${seconds} s`);
  else if (dies) {
    if (result.status !== undefined) problems.push('the guest lived on, and should have died');
  } else if (result.status === undefined) problems.push('the guest died before its script ended');
  else if (result.status !== 0) problems.push(`exit status ${result.status}`);
  if (qemuErrors !== '') problems.push(`qemu: ${tail(qemuErrors, 5)}`);
  return problems;
}

async function waitForSocket(path: string): Promise<void> {
  const step = 50;
  for (let waited = 0; !existsSync(path); waited += step) {
    if (waited > 10_000) throw new Error('the first guest made no network socket');
    await new Promise((wake) => setTimeout(wake, step));
  }
}

async function bootAll(folder: string, kernel: Kernel, options: GuestOptions): Promise<boolean[]> {
  const first = boot(folder, kernel, 0, options);
  if (options.nodes !== 2) return [await first];
  const second = waitForSocket(join(folder, 'network')).then(() =>
    boot(folder, kernel, 1, options),
  );
  return Promise.all([first, second]);
}

/** Empty folders, which the guests see, too. */
function makeFolders(folder: string, nodes: readonly number[]): void {
  rmSync(join(folder, 'network'), { force: true });
  for (const name of ['shared', ...nodes.map((node) => `node${node}`)]) {
    rmSync(join(folder, name), { recursive: true, force: true });
    mkdirSync(join(folder, name));
  }
}

/** Boots all until each has come to guest-start.sh; how often that was, and who timed out. */
async function bootUntilUp(
  folder: string,
  kernel: Kernel,
  nodes: readonly number[],
  options: GuestOptions,
): Promise<{ boots: number; timedOut: boolean[] }> {
  for (let boots = 1; ; boots++) {
    makeFolders(folder, nodes);
    const timedOut = await bootAll(folder, kernel, options);
    const booted = (node: number) => existsSync(join(folder, `node${node}`, '.booted'));
    const dead = nodes.filter((node) => !timedOut[node] && !booted(node));
    if (dead.length === 0 || boots === BOOTS_MOST) return { boots, timedOut };
    process.stderr.write(`guest: node ${dead.join(', ')} died while it booted; once more\n`);
  }
}

/**
 * Boots a kernel, runs a script in it among the machine's own files, and tells how it went. It does
 * not throw when the guest fails: see `ok` and `problems`, or call `requireSuccess`.
 */
export async function runInGuest(options: GuestOptions): Promise<GuestResult> {
  const kernel = await readyKernel(options.kernel ?? '6.1');
  sweepRunFolders();
  const folder = mkdtempSync(join(tmpdir(), `${FOLDER_PREFIX}${process.pid}-`));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  process.on('exit', remove);
  try {
    const nodes = Array.from({ length: options.nodes ?? 1 }, (_, node) => node);
    await writeSettings(folder, kernel, options);
    return await withMachineLock(async () => {
      const started = performance.now();
      const { boots, timedOut } = await bootUntilUp(folder, kernel, nodes, options);
      const seconds = (performance.now() - started) / 1000;
      const results = nodes.map((node) => readNode(join(folder, `node${node}`)));
      const problems = results.flatMap((result, node) => {
        const qemuErrors = readText(join(folder, `node${node}`, '.qemu'));
        const found = nodeProblems(
          result,
          qemuErrors,
          timedOut[node]!,
          options,
          node === options.dies,
        );
        return nodes.length === 1 ? found : found.map((problem) => `node ${node}: ${problem}`);
      });
      return {
        ...results[0]!,
        ok: problems.length === 0,
        problems,
        nodes: results,
        boots,
        seconds,
      };
    });
  } finally {
    process.off('exit', remove);
    remove();
  }
}

/** A failed run in words: what is wrong, then the last lines of the logs. */
export function describeFailure(result: GuestResult): string {
  const parts = ['the guest failed:', ...result.problems.map((problem) => `  ${problem}`)];
  for (const [index, node] of result.nodes.entries()) {
    const name = result.nodes.length === 1 ? '' : ` of node ${index}`;
    parts.push(
      `--- last lines of the script's output${name}`,
      tail(node.output, FAILURE_TAIL_LINES),
    );
    // How the kernel came up is of no interest, unless it did not.
    const log = node.log.split(/^.*Run \/init as init process$/m).pop()!;
    parts.push(`--- last lines of the kernel's log${name}`, tail(log, FAILURE_TAIL_LINES));
  }
  return parts.join('\n');
}

export function requireSuccess(result: GuestResult): GuestResult {
  if (!result.ok) throw new Error(describeFailure(result));
  return result;
}
