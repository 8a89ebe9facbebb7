/** One line of a TAP stream: `ok 1 - munmap of the range fires`. */
export interface TapClaim {
  ok: boolean;
  number: number;
  name: string;
  /** Why it was skipped, if it was. */
  skip: string | undefined;
  /** The `#` lines just before and after it; of a claim that failed, all that came before: its seed, say. */
  comments: string[];
}

export interface TapStream {
  claims: TapClaim[];
  /** What is wrong with the stream as a whole: no plan, a claim missing, `Bail out!`. */
  problems: string[];
}

const CLAIM = /^(not )?ok\b\s*(\d+)?\s*(?:-\s*)?(.*)$/;
const SKIP = /\s*#\s*skip\b\s*(.*)$/i;
const PLAN = /^1\.\.(\d+)/;

function parseClaim(line: string, expected: number): TapClaim | undefined {
  const match = CLAIM.exec(line);
  if (!match) return undefined;
  const text = match[3]!;
  return {
    ok: match[1] === undefined,
    number: match[2] === undefined ? expected : Number(match[2]),
    name: text.replace(SKIP, ''),
    skip: SKIP.exec(text)?.[1],
    comments: [],
  };
}

/** Reads what a program printed; lines that are not TAP count as comments. */
export function parseTap(text: string): TapStream {
  const claims: TapClaim[] = [];
  const problems: string[] = [];
  const all: string[] = [];
  let comments: string[] = [];
  let planned: number | undefined;
  for (const line of text.split(/\r?\n/)) {
    const claim = parseClaim(line, claims.length + 1);
    if (claim !== undefined) {
      if (claim.number !== claims.length + 1) {
        problems.push(`claim ${claim.number} where ${claims.length + 1} was due`);
      }
      // A comment may belong to either neighbour: both show it.
      claim.comments.push(...(claim.ok ? comments : all));
      comments = [];
      claims.push(claim);
    } else if (PLAN.test(line)) {
      planned = Number(PLAN.exec(line)![1]);
    } else if (line.startsWith('Bail out!')) {
      problems.push(line);
    } else if (line.trim() !== '') {
      all.push(line);
      comments.push(line);
      claims.at(-1)?.comments.push(line);
    }
  }
  if (planned === undefined) problems.push('no plan: the program did not come to its end');
  else if (planned !== claims.length)
    problems.push(`${claims.length} claims of ${planned} planned`);
  if (planned === 0) problems.push('nothing was tested');
  return { claims, problems };
}
