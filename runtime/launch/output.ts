/**
 * The ranks' output. Whole lines of each rank come out, never a line inside another's; bytes are
 * passed on as they are.
 */
import type { Readable } from 'node:stream';
import type { Sink } from './sink.ts';

/**
 * A longer line goes out in pieces of about this size. Lines of other ranks may follow a piece, on lines of
 * their own. This bounds the bytes that dregrun holds for each rank and stream.
 */
export const LINE_LIMIT = 256 * 1024;

/** Milliseconds after which an unfinished line of rank 0 is shown on a terminal: it may be a prompt. */
export const PROMPT_MS = 100;

const NOTHING = Buffer.alloc(0);
const NEWLINE = 10;
const NEWLINE_BYTES = Buffer.from('\n');

/** What starts a line, at the time when the line is complete. */
export type LinePrefix = () => string;

/** stdout or stderr of a whole job, or of one rank where it has files of its own. */
export class Output {
  readonly #sink: Sink;
  readonly #sources = new Set<Readable>();
  /** The stream whose unfinished line the last byte belongs to. */
  #open: RankStream | undefined;
  #paused = false;

  constructor(sink: Sink) {
    this.#sink = sink;
    sink.onDrain(() => this.#resume());
  }

  get sink(): Sink {
    return this.#sink;
  }

  /** True while the reader of our output is slow and ranks wait for it. */
  get blocked(): boolean {
    return this.#paused;
  }

  /**
   * Passes a rank's stream on; `prefix` gives what starts each of its lines. Resolves when the stream has
   * ended and its last byte went to the sink (a socket calls itself closed before its close event).
   */
  attach(source: Readable, prefix: LinePrefix | undefined, prompts: boolean): Promise<void> {
    const stream = new RankStream(this, prefix, prompts && this.#sink.isTerminal);
    this.#sources.add(source);
    source.on('data', (bytes: Buffer) => stream.receive(bytes));
    if (this.#paused) source.pause();
    return new Promise((resolve) => {
      source.once('close', () => {
        this.#sources.delete(source);
        stream.end();
        resolve();
      });
    });
  }

  /** A line of dregrun's own. */
  say(line: string): void {
    this.write(undefined, Buffer.from(`${line}\n`));
  }

  /** Bytes of a stream, which may leave its line open. Another's open line is ended first. */
  write(stream: RankStream | undefined, bytes: Buffer): void {
    if (bytes.length === 0) return;
    const glued = this.#open !== undefined && this.#open !== stream;
    if (glued) this.#sink.write(NEWLINE_BYTES);
    this.#open = bytes[bytes.length - 1] === NEWLINE ? undefined : stream;
    this.#sink.write(bytes);
    if (this.#sink.full && !this.#paused) this.#pause();
  }

  isOpen(stream: RankStream): boolean {
    return this.#open === stream;
  }

  #pause(): void {
    this.#paused = true;
    for (const source of this.#sources) source.pause();
  }

  #resume(): void {
    this.#paused = false;
    for (const source of this.#sources) source.resume();
  }
}

/** One stream of one rank: holds the bytes that have no newline yet. */
export class RankStream {
  readonly #output: Output;
  readonly #prefix: LinePrefix | undefined;
  readonly #prompts: boolean;
  /** Grown by doubling: a program may write its line letter by letter. */
  #held = NOTHING;
  #heldBytes = 0;
  #promptTimer: NodeJS.Timeout | undefined;

  constructor(output: Output, prefix: LinePrefix | undefined, prompts: boolean) {
    this.#output = output;
    this.#prefix = prefix;
    this.#prompts = prompts;
  }

  receive(bytes: Buffer): void {
    clearTimeout(this.#promptTimer);
    const end = bytes.lastIndexOf(NEWLINE) + 1;
    if (end > 0) {
      this.#hold(bytes.subarray(0, end));
      this.#release();
    }
    this.#hold(bytes.subarray(end));
    if (this.#heldBytes >= LINE_LIMIT) this.#release();
    if (this.#prompts && this.#heldBytes > 0)
      this.#promptTimer = setTimeout(() => this.#release(), PROMPT_MS);
  }

  /** The last line may have no newline: it is kept as it is. */
  end(): void {
    clearTimeout(this.#promptTimer);
    this.#release();
  }

  #hold(bytes: Buffer): void {
    const needed = this.#heldBytes + bytes.length;
    if (needed > this.#held.length) {
      const grown = Buffer.allocUnsafe(Math.max(needed, 2 * this.#held.length));
      this.#held.copy(grown, 0, 0, this.#heldBytes);
      this.#held = grown;
    }
    bytes.copy(this.#held, this.#heldBytes);
    this.#heldBytes = needed;
  }

  #release(): void {
    if (this.#heldBytes === 0) return;
    const bytes = this.#held.subarray(0, this.#heldBytes);
    this.#held = NOTHING;
    this.#heldBytes = 0;
    this.#output.write(this, this.#prefix ? this.#prefixed(bytes, this.#prefix) : bytes);
  }

  /** Every line with its prefix; the rest of a line that is already out has it. */
  #prefixed(bytes: Buffer, prefix: LinePrefix): Buffer {
    const start = Buffer.from(prefix());
    const parts: Buffer[] = [];
    let continues = this.#output.isOpen(this);
    for (let at = 0; at < bytes.length; ) {
      const newline = bytes.indexOf(NEWLINE, at);
      const end = newline < 0 ? bytes.length : newline + 1;
      if (!continues) parts.push(start);
      parts.push(bytes.subarray(at, end));
      continues = false;
      at = end;
    }
    return Buffer.concat(parts);
  }
}
