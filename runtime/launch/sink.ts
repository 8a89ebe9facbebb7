/**
 * dregrun's stdout or stderr. A slow reader must not block dregrun, which serves PMI and takes signals
 * meanwhile. So pipes and sockets are written without blocking, and `full` says when to stop. Files take
 * everything; a terminal blocks, as it does for any program.
 */
import { constants, fstatSync, openSync, writeSync } from 'node:fs';
import { Socket } from 'node:net';
import { isatty } from 'node:tty';

/** Bytes that wait for a slow reader. Beyond them the ranks wait. */
export const SINK_HIGH_WATER = 256 * 1024;

const RETRY_MS = 5;

export class Sink {
  readonly fd: number;
  readonly isTerminal: boolean;
  /** Unset where writes are synchronous. */
  readonly #socket: Socket | undefined;
  #drained: (() => void)[] = [];
  #failed: ((error: NodeJS.ErrnoException) => void)[] = [];
  #error: NodeJS.ErrnoException | undefined;

  constructor(fd: number) {
    this.fd = fd;
    this.isTerminal = isatty(fd);
    this.#socket = openSocket(fd);
    this.#socket?.on('error', (error) => this.#fail(error));
    this.#socket?.on('drain', () => this.#drain());
  }

  get full(): boolean {
    return this.#error === undefined && (this.#socket?.writableLength ?? 0) > SINK_HIGH_WATER;
  }

  onDrain(callback: () => void): void {
    this.#drained.push(callback);
  }

  /** Is told of the first error (EPIPE: the reader is gone). Later output is dropped. */
  onError(callback: (error: NodeJS.ErrnoException) => void): void {
    this.#failed.push(callback);
  }

  write(bytes: Buffer): void {
    if (this.#error) return;
    if (this.#socket) this.#socket.write(bytes);
    else this.#writeSync(bytes);
  }

  /** Resolves when the reader has taken everything, is gone, or the time is over. */
  async flush(milliseconds: number | undefined): Promise<void> {
    if (this.#error || !this.#socket || this.#socket.writableLength === 0) return;
    await new Promise<void>((resolve) => {
      this.onError(() => resolve());
      this.#socket?.write('', () => resolve());
      if (milliseconds !== undefined) setTimeout(resolve, milliseconds).unref();
    });
  }

  #writeSync(bytes: Buffer): void {
    for (let at = 0; at < bytes.length; ) {
      try {
        at += writeSync(this.fd, bytes, at);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') {
          this.#fail(error as NodeJS.ErrnoException);
          return;
        }
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS);
      }
    }
  }

  #fail(error: NodeJS.ErrnoException): void {
    if (this.#error) return;
    this.#error = error;
    for (const callback of this.#failed) callback(error);
    this.#drain();
  }

  #drain(): void {
    for (const callback of this.#drained) callback();
  }
}

/** True where both descriptors are the same file, so that their lines must be kept apart together. */
export function sameFile(one: number, other: number): boolean {
  try {
    const a = fstatSync(one);
    const b = fstatSync(other);
    return a.dev === b.dev && a.ino === b.ino;
  } catch {
    return false;
  }
}

function openSocket(fd: number): Socket | undefined {
  const stat = fstatSync(fd);
  if (!stat.isFIFO() && !stat.isSocket()) return undefined;
  const socket = new Socket({
    fd: stat.isFIFO() ? reopenPipe(fd) : fd,
    readable: false,
    writable: true,
  });
  return socket;
}

/**
 * The pipe by a description of its own: O_NONBLOCK on the inherited one would be seen by everyone
 * who shares it, such as the next command of the same shell.
 */
function reopenPipe(fd: number): number {
  try {
    return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK);
  } catch {
    return fd; // No /proc, or another user's pipe.
  }
}
