/**
 * Processes that share memory: `node scenarios.js NAME` is the first of them, and starts the others as `node scenarios.js NAME part …`.
 * Each prints what it sees.
 */
import { type ChildProcess, fork, spawn } from 'node:child_process';
import cluster from 'node:cluster';
import { once } from 'node:events';
import { ftruncateSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker, workerData } from 'node:worker_threads';
import { notify, SharedMemory, wait } from '../../../../../runtime/shared.ts';

const FILE = fileURLToPath(import.meta.url);
/** Longer than anything takes: a wait that ends so has failed. */
const LONG_MS = 120_000;
const [, , scenario, part, argument] = process.argv;
const say = (...words: unknown[]): void => void process.stdout.write(`${words.join(' ')}\n`);
const wordsOf = ({ buffer }: SharedMemory) => new Int32Array(buffer);
const nameOf = (what: string) => `test-${what}-${process.pid}`;

/** Notifies, again and again, until somebody was there to be woken. */
async function wake(words: Int32Array, index: number, count?: number): Promise<void> {
  while (notify(words, index, count) === 0) await new Promise(setImmediate);
}

function begin(stdio: (number | 'inherit' | 'ignore' | 'ipc')[], ...words: string[]): ChildProcess {
  return spawn(process.execPath, [FILE, scenario, ...words], { stdio });
}
const plain = ['ignore', 'inherit', 'inherit'] as const;
const ended = (child: ChildProcess) => once(child, 'exit');

/** What a child does with memory: it adds to a word, and waits for another one. */
function takePart(memory: SharedMemory): void {
  const words = wordsOf(memory);
  Atomics.add(words, 0, 1);
  memory.notify(words, 0);
  say('child', memory.wait(words, 1, 0, LONG_MS), Atomics.load(words, 2));
}

/** What the parent does: it waits for the child, and then changes the word that the child waits for. */
async function leadOn(memory: SharedMemory, children: ChildProcess[]): Promise<void> {
  const words = wordsOf(memory);
  const all = Promise.all(children.map(ended));
  for (let seen = 0; seen < children.length; seen = Atomics.load(words, 0))
    await memory.waitAsync(words, 0, seen, LONG_MS);
  say('parent', Atomics.load(words, 0));
  Atomics.store(words, 2, 42);
  for (const _ of children) await wake(words, 1, 1);
  await all;
  memory.close();
}

const SCENARIOS: Record<string, () => Promise<void> | void> = {
  async stdio() {
    if (part === 'part') return takePart(SharedMemory.open(3));
    const memory = SharedMemory.create(4096);
    await leadOn(memory, [begin([...plain, memory.fd], 'part')]);
  },

  async fork() {
    if (part === 'part') return takePart(SharedMemory.open(4));
    const memory = SharedMemory.create(4096);
    const stdio = [...plain, 'ipc' as const, memory.fd];
    const child = fork(FILE, [scenario, 'part'], { stdio });
    await leadOn(memory, [child]);
  },

  async cluster() {
    if (cluster.isWorker) {
      takePart(SharedMemory.open(4));
      process.disconnect();
      return;
    }
    const memory = SharedMemory.create(4096);
    cluster.setupPrimary({ stdio: [...plain, 'ipc', memory.fd] });
    await leadOn(memory, [cluster.fork().process, cluster.fork().process]);
  },

  async named() {
    if (part === 'part') return takePart(SharedMemory.open(argument));
    const memory = SharedMemory.create(4096, nameOf('named'));
    await leadOn(
      memory,
      [1, 2].map(() => begin([...plain], 'part', memory.name!)),
    );
    try {
      SharedMemory.open(nameOf('named'));
    } catch (error) {
      say((error as { code: string }).code);
    }
  },

  /** A process that has the memory is killed in a wait, the one that made it: others keep the memory and the name. */
  async killed() {
    const name = argument ?? nameOf('killed');
    if (part === 'part') {
      const words = wordsOf(SharedMemory.create(4096, name));
      Atomics.store(words, 0, 7);
      say('made');
      wait(words, 1, 0);
    }
    const child = begin(['ignore', 'pipe' as never, 'inherit'], 'part', name);
    await once(child.stdout!, 'data');
    const memory = SharedMemory.open(name);
    const words = wordsOf(memory);
    child.kill('SIGKILL');
    await ended(child);
    const again = SharedMemory.open(name);
    say(Atomics.load(words, 0), wordsOf(again)[0], memory.notify(words, 1));
    again.close();
    memory.close();
    const other = SharedMemory.create(64, name);
    say('anew', other.buffer.byteLength, wordsOf(other)[0]);
    other.close();
  },

  /** The last process that had it was killed: the name means nothing. */
  async stale() {
    const name = argument ?? nameOf('stale');
    if (part === 'part') {
      SharedMemory.create(4096, name);
      process.kill(process.pid, 'SIGKILL');
    }
    await ended(begin([...plain], 'part', name));
    for (const use of [
      () => SharedMemory.open(name),
      () => SharedMemory.create(64, name),
      () => SharedMemory.create(64, name),
    ])
      try {
        say(use().buffer.byteLength);
      } catch (error) {
        say((error as Error).message.split(';')[0].replaceAll(name, 'NAME').replace(/\d+/, 'PID'));
      }
  },

  /** Nobody makes it shorter, or longer. */
  async sizes() {
    if (part === 'part') {
      for (const bytes of [0, 1, 4096 * 3, 2 ** 20])
        try {
          ftruncateSync(3, bytes);
          say('resized', bytes);
        } catch (error) {
          say((error as NodeJS.ErrnoException).code);
        }
      return;
    }
    const memory = SharedMemory.create(4096 * 2 + 100);
    await ended(begin([...plain, memory.fd], 'part'));
    const bytes = new Uint8Array(memory.buffer);
    say(bytes.length, bytes.fill(1)[bytes.length - 1]);
  },

  async worker() {
    if (workerData !== null) {
      const buffer =
        typeof workerData === 'number' ? SharedMemory.open(workerData).buffer : workerData;
      const words = new Int32Array(buffer);
      if (part === 'loop') for (;;) wait(words, 0, 0);
      return say('worker', wait(words, 0, 0));
    }
    const memory = SharedMemory.create(4096, nameOf('worker'));
    const words = wordsOf(memory);
    const shared = memory.buffer instanceof SharedArrayBuffer;
    const start = (what: string) =>
      new Worker(FILE, { argv: [scenario, what], workerData: shared ? memory.buffer : memory.fd });
    const one = start('once');
    await wake(words, 0);
    await once(one, 'exit');
    // Woken twice, a worker in a loop has begun to wait once more, or will: it is terminated there.
    const two = start('loop');
    await wake(words, 0);
    await wake(words, 0);
    await two.terminate();
    say('terminated');
    memory.close();
  },

  /** Nobody ends those waits, and the process does all the same. */
  exit() {
    const memory = SharedMemory.create(4096, nameOf('exit'));
    const words = wordsOf(memory);
    for (let i = 0; i < 8; i++) void memory.waitAsync(words, i, 0);
    say(words.length);
    process.exit(3);
  },

  /** A wait keeps the process alive as long as it is under way. */
  async alive() {
    const memory = SharedMemory.create(4096);
    const words = wordsOf(memory);
    if (part === 'closed') {
      const waits = [0, 1, 2].map((index) => memory.waitAsync(words, index, 0));
      memory.close();
      for (const { status, reason } of (await Promise.allSettled(waits)) as PromiseRejectedResult[])
        say(status, reason.code);
      return;
    }
    const timer = setTimeout(() => memory.notify(words, 0), 50);
    timer.unref();
    say(await memory.waitAsync(words, 0, 0));
    // What is settled keeps nothing alive, and what will be in an hour is not begun.
    say(await memory.waitAsync(words, 0, 1, 3_600_000));
  },

  /** Waits of other processes, one notified each time: those that came first come first. */
  async turns() {
    if (part === 'part') {
      const memory = SharedMemory.open(3);
      const words = wordsOf(memory);
      const waits = memory.waitAsync(words, 1, 0);
      Atomics.add(words, 0, 1);
      memory.notify(words, 0);
      await waits;
      return say(argument);
    }
    const memory = SharedMemory.create(4096);
    const words = wordsOf(memory);
    const children: ChildProcess[] = [];
    for (let seen = 0; seen < 3; seen++) {
      children.push(begin([...plain, memory.fd], 'part', `turn ${seen}`));
      await memory.waitAsync(words, 0, seen, LONG_MS);
    }
    for (const child of children) {
      const end = ended(child);
      say('wake');
      if (memory.notify(words, 1, 1) !== 1) say('nobody');
      await end;
    }
    memory.close();
  },
};

await SCENARIOS[scenario]();
