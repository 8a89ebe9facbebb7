/** dregrun's standard input for several ranks: each gets all of it, by a pipe of its own. */
import { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { addon } from '../../native/addon.ts';
import { check } from '../base/error.ts';

export class InputCopies {
  /** For the ranks' stdin. */
  readonly readEnds: readonly number[];
  readonly #pipes = new Set<Socket>();

  /**
   * @param source what is read as fast as the slowest rank reads; a rank that reads no more holds up nobody
   * @throws MpiError ERR_SYSTEM where there are too few descriptors
   */
  constructor(source: Readable, ranks: number) {
    this.readEnds = Array.from({ length: ranks }, (_, rank) => {
      const ends = addon().pipeCreate();
      if (typeof ends === 'number') {
        check(ends, 'pipe2', `the stdin of rank ${rank}`);
        throw new Error('unreachable');
      }
      this.#add(source, new Socket({ fd: ends[1], readable: false, writable: true }));
      return ends[0];
    });
    source.on('data', (bytes: Buffer) => {
      for (const pipe of this.#pipes) if (!pipe.write(bytes)) source.pause();
    });
    source.once('end', () => {
      for (const pipe of this.#pipes) pipe.end();
    });
    source.on('error', () => this.close());
  }

  close(): void {
    for (const pipe of this.#pipes) pipe.destroy();
  }

  #add(source: Readable, pipe: Socket): void {
    const goOn = () => {
      if (![...this.#pipes].some((each) => each.writableNeedDrain)) source.resume();
    };
    this.#pipes.add(pipe);
    pipe.unref();
    pipe.on('drain', goOn);
    pipe.on('error', () => pipe.destroy()); // Its rank reads no more.
    pipe.on('close', () => {
      this.#pipes.delete(pipe);
      goOn();
    });
  }
}
