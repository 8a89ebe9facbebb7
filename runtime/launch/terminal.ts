/**
 * The terminal that dregrun was started from. The ranks are in sessions of their own, where job
 * control does not reach them: what is typed comes to rank 0 by way of dregrun, which reads while it
 * is in the foreground, as any program.
 */
import { closeSync, constants, openSync, readSync } from 'node:fs';
import { Socket } from 'node:net';
import { isatty } from 'node:tty';
import { addon, type Watcher } from '../../native/addon.ts';
import { check } from '../base/error.ts';

/** Milliseconds between two looks of a job in the background at whether it is in the foreground. */
export const FOREGROUND_MS = 250;

const READ_BYTES = 4096;
const STDIO = [0, 1, 2];
const terminals = STDIO.filter((fd) => isatty(fd));

/**
 * Ends dregrun. Node sets the terminals' modes back then, and aborts where a terminal has hung up:
 * such a one is replaced before.
 */
export function leave(status: number): never {
  for (const fd of terminals) {
    if (isatty(fd)) continue;
    closeSync(fd);
    openSync('/dev/null', 'r+');
  }
  process.exit(status);
}

/** stdin by a description of its own, whose O_NONBLOCK nobody else sees; undefined without /proc. */
export function openTerminal(): number | undefined {
  if (!isatty(0)) return undefined;
  try {
    return openSync(
      '/proc/self/fd/0',
      constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY,
    );
  } catch {
    return undefined;
  }
}

/** Typed bytes on their way to rank 0. */
export class TerminalInput {
  /** For rank 0's stdin. */
  readonly readEnd: number;
  readonly #terminal: number;
  readonly #pipe: Socket;
  readonly #chunk = Buffer.alloc(READ_BYTES);
  /** Set while dregrun reads. */
  #watcher: Watcher | undefined;
  /** Set while it waits for the foreground. */
  #timer: NodeJS.Timeout | undefined;
  #ended = false;

  constructor(terminal: number) {
    const ends = addon().pipeCreate();
    if (typeof ends === 'number') {
      check(ends, 'pipe2', "rank 0's stdin");
      throw new Error('unreachable');
    }
    this.#terminal = terminal;
    this.readEnd = ends[0];
    this.#pipe = new Socket({ fd: ends[1], readable: false, writable: true });
    this.#pipe.on('error', () => this.close()); // Rank 0 reads no more.
    this.#pipe.on('drain', () => this.resume());
    this.#pipe.unref();
    this.resume();
  }

  /** Reads on, as soon as dregrun is in the foreground and rank 0 has room. */
  resume(): void {
    this.pause();
    if (this.#ended || this.#pipe.writableNeedDrain) return;
    if (addon().inForeground(this.#terminal) === 0) {
      this.#timer = setTimeout(() => this.resume(), FOREGROUND_MS).unref();
      return;
    }
    this.#watcher = new (addon().Watcher)(this.#terminal, false, () => this.#read());
    this.#watcher.unref();
  }

  /** dregrun is about to be stopped. It may go on in the background. */
  pause(): void {
    clearTimeout(this.#timer);
    this.#watcher?.close();
    this.#watcher = undefined;
  }

  close(): void {
    this.pause();
    this.#ended = true;
    this.#pipe.destroy();
  }

  #read(): void {
    if (addon().inForeground(this.#terminal) === 0) {
      this.resume();
      return;
    }
    let count = 0;
    try {
      count = readSync(this.#terminal, this.#chunk);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return;
      // The terminal has hung up. For rank 0 that is the end of its input.
    }
    if (count === 0) {
      this.pause();
      this.#ended = true;
      this.#pipe.end();
    } else if (!this.#pipe.write(Buffer.from(this.#chunk.subarray(0, count)))) this.pause();
  }
}
