/**
 * Whether steps come to an end, whatever an implementation does: each send waits for its receive, as MPI allows.
 *
 * Each receive and probe names, or can only meet, one sender. Its outcome then does not depend on time:
 * of one sender's messages the earliest that fits is met, by the earliest receive that it fits.
 */

/** What an operation puts before matching; a message that is claimed is taken later. */
export interface Posting {
  kind: 'send' | 'receive' | 'probe' | 'claim' | 'take';
  /** Communicator, sender and receiver. */
  pair: string;
  /** -1: any. */
  tag: number;
  matched: boolean;
  /** Of a claim: the send that it met. Of what takes: the claim. */
  of?: Posting;
}

export interface PlannedStep {
  rank: number;
  /** A rank's steps are in the order of their keys. */
  key: number;
  words: string;
  posts: readonly Posting[];
  /** It ends when these have matched. */
  until: readonly Posting[];
}

/** One sender and one receiver. */
class Pair {
  #sends: Posting[] = [];
  #takers: Posting[] = [];

  post(posting: Posting): void {
    const { kind, tag } = posting;
    if (kind === 'take') {
      posting.matched = true;
      posting.of!.of!.matched = true;
    } else if (kind !== 'send') {
      const send = this.#sends.find((one) => tag === -1 || one.tag === tag);
      if (send === undefined) this.#takers.push(posting);
      else this.#meet(send, posting);
    } else {
      this.#sends.push(posting);
      for (const taker of [...this.#takers])
        if (this.#sends.includes(posting) && (taker.tag === -1 || taker.tag === tag))
          this.#meet(posting, taker);
    }
  }

  #meet(send: Posting, taker: Posting): void {
    taker.matched = true;
    this.#takers = this.#takers.filter((one) => one !== taker);
    if (taker.kind === 'probe') return;
    if (taker.kind === 'claim') taker.of = send;
    else send.matched = true;
    this.#sends = this.#sends.filter((one) => one !== send);
  }
}

/** True where all steps end, and every message is received. */
export function rehearse(steps: readonly PlannedStep[]): boolean {
  const pairs = new Map<string, Pair>();
  const programs = byRank(inOrder(steps));
  const posted = new Set<PlannedStep>();
  for (let moved = true; moved; ) {
    moved = false;
    for (const program of programs.values())
      for (let step = program[0]; step !== undefined; step = program[0]) {
        if (!posted.has(step))
          for (const posting of step.posts) {
            if (!pairs.has(posting.pair)) pairs.set(posting.pair, new Pair());
            pairs.get(posting.pair)!.post(posting);
          }
        posted.add(step);
        if (!step.until.every(({ matched }) => matched)) break;
        program.shift();
        moved = true;
      }
  }
  return steps.every((step) => posted.has(step) && step.posts.every(({ matched }) => matched));
}

export function inOrder(steps: readonly PlannedStep[]): PlannedStep[] {
  return [...steps].sort((a, b) => a.key - b.key);
}

function byRank(steps: readonly PlannedStep[]): Map<number, PlannedStep[]> {
  const programs = new Map<number, PlannedStep[]>();
  for (const step of steps) programs.set(step.rank, [...(programs.get(step.rank) ?? []), step]);
  return programs;
}
