/** dregrun's standard input on its way to the rank, or the ranks, that it is for. */
import { closeSync } from 'node:fs';
import { Socket } from 'node:net';
import type { RunCommand } from './command-line/command.ts';
import { InputCopies } from './input-copies.ts';
import { openTerminal, TerminalInput } from './terminal.ts';

export class JobInput {
  /** By rank: its stdin; those without one have /dev/null. */
  readonly ends: readonly (number | undefined)[];
  readonly terminal: TerminalInput | undefined;
  readonly #copies: InputCopies | undefined;

  constructor({ input, ranks }: Pick<RunCommand, 'input' | 'ranks'>) {
    if (input === 'none') {
      this.ends = [];
      return;
    }
    const terminal = openTerminal();
    this.terminal = terminal === undefined ? undefined : new TerminalInput(terminal);
    const { terminal: typed } = this;
    if (input === 'all') {
      const source = typed ? new Socket({ fd: typed.readEnd, writable: false }) : process.stdin;
      this.#copies = new InputCopies(source, ranks);
      this.ends = this.#copies.readEnds;
    } else {
      const ends: (number | undefined)[] = [];
      ends[input] = typed?.readEnd ?? 0;
      this.ends = ends;
    }
  }

  /** The ranks have theirs: dregrun's own are closed. */
  started(): void {
    if (this.#copies) for (const end of this.#copies.readEnds) closeSync(end);
    else if (this.terminal) closeSync(this.terminal.readEnd);
  }

  close(): void {
    this.#copies?.close();
    this.terminal?.close();
  }
}
