/** A job of two ranks that stays, and does what it is asked while everything else rests. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { packageRoot } from '../../../native/addon.ts';
import type { Answer, Task } from './measures.ts';

const dist = (path: string) => join(packageRoot(), 'dist', path);

export class Job {
  readonly monitor: string;
  readonly way: string;
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #reader: Interface;

  /**
   * @param way DREG_RNDV: 'get' or 'put'
   * @param variables of the ranks' environment, in addition
   */
  constructor(monitor: string, way: string, variables: NodeJS.ProcessEnv = {}) {
    this.monitor = monitor;
    this.way = way;
    const words = [dist('bundle/dregrun.js'), '-n', '2', dist('test/bench/verbs/rank.js')];
    this.#child = spawn(process.execPath, words, {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: {
        ...process.env,
        DREG_TRANSPORT: 'verbs',
        DREG_MONITOR: monitor,
        DREG_RNDV: way,
        ...variables,
      },
    });
    this.#child.stdin!.on('error', () => {}); // It ended: the next answer is missing.
    this.#reader = createInterface({ input: this.#child.stdout! });
    this.#lines = this.#reader[Symbol.asyncIterator]();
  }

  /** Waits until both ranks are there; their process ids. */
  async ready(): Promise<number[]> {
    const { ready } = JSON.parse(await this.#line()) as { ready: number[] };
    return ready;
  }

  async #line(): Promise<string> {
    const { value, done } = await this.#lines.next();
    if (!done) return value as string;
    throw new Error(`the job with ${this.monitor} and ${this.way} has ended`);
  }

  async run(task: Task): Promise<Answer> {
    this.#child.stdin!.write(`${JSON.stringify(task)}\n`);
    return JSON.parse(await this.#line()) as Answer;
  }

  async end(): Promise<void> {
    const ended = new Promise<number | null>((resolve) => this.#child.once('close', resolve));
    this.#child.stdin!.end();
    const status = await ended;
    if (status !== 0) throw new Error(`a job ended with status ${status}`);
  }
}

/** Whether something listens on a TCP port of this machine. */
export function listens(port: number): boolean {
  const place = `:${port.toString(16).toUpperCase().padStart(4, '0')} `;
  const tables = ['/proc/net/tcp', '/proc/net/tcp6'].map((path) => readFileSync(path, 'utf8'));
  return tables.some((table) =>
    table.split('\n').some((line) => line.includes(place) && / 0A /.test(line)),
  );
}
