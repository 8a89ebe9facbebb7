/** Where each rank's output goes: dregrun's own, or files of the rank's. */
import { mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { MpiError } from '../base/error.ts';
import type { OutputOptions } from './command-line/command.ts';
import { type LinePrefix, Output } from './output.ts';
import { Sink } from './sink.ts';

/** One rank's. */
export interface RankOutput {
  stdout: Output;
  stderr: Output;
  /** What starts a line, where anything does. */
  prefix(stream: 'stdout' | 'stderr'): LinePrefix | undefined;
}

export class RankOutputs {
  readonly #options: OutputOptions;
  readonly #stdout: Output;
  readonly #stderr: Output;
  readonly #files: { stdout: Output; stderr: Output }[];

  /** @throws MpiError ERR_ARG where a file cannot be written */
  constructor(options: OutputOptions, stdout: Output, stderr: Output, ranks: number) {
    this.#options = options;
    this.#stdout = stdout;
    this.#stderr = stderr;
    const { folder } = options;
    const digits = String(ranks - 1).length;
    this.#files =
      folder === undefined
        ? []
        : Array.from({ length: ranks }, (_, rank) =>
            filesIn(join(folder, `rank.${String(rank).padStart(digits, '0')}`), options.merge),
          );
  }

  of(rank: number): RankOutput {
    const { stdout, stderr } = this.#files[rank] ?? { stdout: this.#stdout, stderr: this.#stderr };
    return { stdout, stderr, prefix: (stream) => prefixOf(this.#options, rank, stream) };
  }

  /** All of them. */
  get outputs(): Set<Output> {
    const files = this.#files.flatMap(({ stdout, stderr }) => [stdout, stderr]);
    return new Set([this.#stdout, this.#stderr, ...files]);
  }
}

function filesIn(folder: string, merged: boolean): { stdout: Output; stderr: Output } {
  try {
    mkdirSync(folder, { recursive: true });
    const stdout = new Output(new Sink(openSync(join(folder, 'stdout'), 'w')));
    if (merged) return { stdout, stderr: stdout };
    return { stdout, stderr: new Output(new Sink(openSync(join(folder, 'stderr'), 'w'))) };
  } catch (error) {
    throw new MpiError('ERR_ARG', `--output-filename: ${(error as Error).message}`);
  }
}

function prefixOf(
  { tag, timestamp }: OutputOptions,
  rank: number,
  stream: 'stdout' | 'stderr',
): LinePrefix | undefined {
  if (!tag && !timestamp) return undefined;
  const ranks = tag ? `[${rank}${stream === 'stderr' ? ' stderr' : ''}] ` : '';
  return () => (timestamp ? `${new Date().toISOString()} ${ranks}` : ranks);
}
