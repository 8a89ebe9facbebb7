import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { KERNEL_NAMES, type KernelName } from './kernels.ts';
import { describeFailure, type GuestOptions, type GuestResult, runInGuest } from './run.ts';

const HELP = `npm run guest -- [options] SCRIPT [ARGUMENT...]
npm run guest -- [options] --command 'SHELL COMMANDS'

Boots a real kernel under QEMU, runs SCRIPT in it among this machine's files (read-only), powers
off. Exit status: 0 when the script's was 0 and the kernel has not complained, else 1.

  --kernel 6.1|6.12|debug   which kernel (6.1)
  --nodes 1|2               two guests, joined by a network, each runs SCRIPT (1)
  --module 'NAME [PARAM=..]'  load a module first, by name or by path; may be repeated
  --env NAME=VALUE          environment of the script; may be repeated
  --timeout SECONDS         kill the guest after this long (120)
  --memory MIB              the guest's memory (3072)
  --out FOLDER              keep what the script leaves in $GUEST_OUT
  --log                     show the kernel's log as well
  --json                    print the result as one JSON object, nothing else
  --help

In the script: GUEST_OUT (folder that survives), GUEST_SHARED (one for both guests), GUEST_NODE,
GUEST_NODES, GUEST_KERNEL, GUEST_ADDRESS and GUEST_PEER (with two guests). Current folder: the
checkout. /tmp, /var/tmp, /run and /dev/shm are the guest's own and can be written.
`;

const OPTIONS = {
  kernel: { type: 'string', default: '6.1' },
  nodes: { type: 'string', default: '1' },
  module: { type: 'string', multiple: true, default: [] as string[] },
  env: { type: 'string', multiple: true, default: [] as string[] },
  timeout: { type: 'string' },
  memory: { type: 'string' },
  out: { type: 'string' },
  command: { type: 'string' },
  log: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
} as const;

class UsageError extends Error {}

function positive(text: string, name: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new UsageError(`--${name} wants a positive number, not ${text}`);
  return value;
}

/** Options end at the script's name: what follows is the script's. */
function splitArguments(argv: string[]): [ours: string[], theirs: string[]] {
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i]!;
    if (!word.startsWith('-')) return [argv.slice(0, i), argv.slice(i)];
    const option = OPTIONS[word.slice(2) as keyof typeof OPTIONS];
    if (option?.type === 'string') i++;
  }
  return [argv, []];
}

function readArguments(argv: string[]) {
  const [ours, [script, ...args]] = splitArguments(argv);
  const { values } = parseArgs({ args: ours, options: OPTIONS });
  if (!(KERNEL_NAMES as readonly string[]).includes(values.kernel)) {
    throw new UsageError(`--kernel is one of ${KERNEL_NAMES.join(', ')}`);
  }
  if (values.nodes !== '1' && values.nodes !== '2') throw new UsageError('--nodes is 1 or 2');
  if (!values.help && (script === undefined) === (values.command === undefined)) {
    throw new UsageError('either SCRIPT or --command');
  }
  const guest: GuestOptions = {
    kernel: values.kernel as KernelName,
    nodes: values.nodes === '2' ? 2 : 1,
    modules: values.module,
    env: Object.fromEntries(
      values.env.map((pair) => {
        const [name, ...value] = pair.split('=');
        return [name!, value.join('=')];
      }),
    ),
    args,
  };
  if (script !== undefined) guest.script = script;
  if (values.command !== undefined) guest.commands = values.command;
  if (values.timeout) guest.timeoutSeconds = positive(values.timeout, 'timeout');
  if (values.memory) guest.memoryMiB = positive(values.memory, 'memory');
  return { guest, values };
}

function keepFiles(result: GuestResult, folder: string): void {
  for (const [index, node] of result.nodes.entries()) {
    const base = result.nodes.length === 1 ? folder : join(folder, `node${index}`);
    for (const [name, content] of node.files) {
      mkdirSync(dirname(join(base, name)), { recursive: true });
      writeFileSync(join(base, name), content);
    }
  }
}

function asJson(result: GuestResult): string {
  const nodes = result.nodes.map(({ status, output, log, files }) => ({
    status: status ?? null,
    output,
    log,
    files: Object.fromEntries([...files].map(([name, content]) => [name, content.toString()])),
  }));
  const { ok, problems, seconds } = result;
  return JSON.stringify({ ok, problems, seconds, nodes }, null, 2);
}

async function main(argv: string[]): Promise<number> {
  const { guest, values } = readArguments(argv);
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  if (!values.json) {
    guest.onOutput = (text, node) => {
      const prefix = guest.nodes === 2 ? `node${node}: ` : '';
      process.stdout.write(prefix ? text.replace(/^(?=.)/gm, prefix) : text);
    };
  }
  const result = await runInGuest(guest);
  if (values.out !== undefined) keepFiles(result, values.out);
  if (values.json) {
    process.stdout.write(`${asJson(result)}\n`);
    return result.ok ? 0 : 1;
  }
  if (values.log) for (const node of result.nodes) process.stderr.write(`${node.log}\n`);
  process.stderr.write(
    result.ok ? `guest: ok, ${result.seconds.toFixed(1)} s\n` : `${describeFailure(result)}\n`,
  );
  return result.ok ? 0 : 1;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  const usage =
    error instanceof UsageError || (error as { code?: string }).code?.startsWith('ERR_PARSE_ARGS');
  process.stderr.write(`guest: ${(error as Error).message}\n${usage ? `\n${HELP}` : ''}`);
  process.exitCode = usage ? 2 : 1;
}
