/** What a rank waits for, as others are told of it. */

/** One operation that a rank waits for. */
export interface WaitedOperation {
  /** What the program called: `recv`, `send`, `probe`. */
  readonly operation: string;
  /** Rank in the communicator; a wildcard where it may be any. */
  readonly peer: number;
  readonly tag: number;
  /** Its name. */
  readonly communicator: string;
  /** The world's ranks of which any can end it. */
  readonly from: readonly number[];
}

export interface Wait {
  /** In the world. */
  readonly rank: number;
  /** `all`: it goes on when all of these have ended; `any`: when one has. */
  readonly mode: 'all' | 'any';
  readonly operations: readonly WaitedOperation[];
  /** Since when, in milliseconds since 1970. */
  readonly since: number;
  /** Something else may make it go on: a timer, a socket, a deadline. */
  readonly mayGoOn: boolean;
  /** Where in the program, a call a line. */
  readonly stack: string;
}

/** Operations that one text tells of; a rank may wait for thousands. */
export const OPERATIONS_TOLD = 16;
const STACK_TOLD = 1200;

/** As text of at most `bytes` bytes. */
export function encodeWait(wait: Wait, bytes: number): string {
  let stack = wait.stack.slice(0, STACK_TOLD);
  let told = Math.min(wait.operations.length, OPERATIONS_TOLD);
  for (;;) {
    const complete = told === wait.operations.length;
    const text = JSON.stringify({
      ...wait,
      // Of what is left out nobody knows who could end it.
      mayGoOn: wait.mayGoOn || told === 0 || (!complete && wait.mode === 'any'),
      operations: wait.operations.slice(0, told),
      stack,
    });
    if (Buffer.byteLength(text) <= bytes) return text;
    if (stack !== '') stack = '';
    else told >>= 1;
  }
}

/** Undefined where the text is none of ours. */
export function decodeWait(text: string): Wait | undefined {
  try {
    const wait = JSON.parse(text) as Wait;
    return Array.isArray(wait.operations) ? wait : undefined;
  } catch {
    return undefined;
  }
}

/** The ranks that a rank waits for, each once. */
export function waitsFor(wait: Wait): number[] {
  return [...new Set(wait.operations.flatMap(({ from }) => from))].sort((a, b) => a - b);
}

/** For a person: a line for each wait, and below it where it stands in the program. */
export function tableOf(waits: readonly Wait[]): string {
  return waits.map(lineOf).join('\n');
}

function lineOf({ rank, mode, operations, stack }: Wait): string {
  const joint = mode === 'all' ? ' and ' : ' or ';
  const more = operations.length > 3 ? `${joint}${operations.length - 3} more` : '';
  const what = operations.slice(0, 3).map(inWords).join(joint);
  const where = stack === '' ? '' : `\n${stack.replace(/^\s*/gm, '      ')}`;
  return `  rank ${rank} waits in ${what}${more}${where}`;
}

function inWords({ operation, peer, tag, communicator }: WaitedOperation): string {
  const whom = peer < 0 ? 'any rank' : `rank ${peer}`;
  const which = tag < 0 ? 'any tag' : `tag ${tag}`;
  return `${operation}(${whom}, ${which}) of ${communicator}`;
}
