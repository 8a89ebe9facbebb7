/**
 * What is to happen, in order of time. Each kind of event comes a fixed time after what causes it,
 * so that the events of one kind (a *lane*) are in order by themselves: the next one of all is the
 * first of some lane, and nothing is ever sorted. That is what makes a million ranks feasible.
 */

const FIRST_ROOM = 1024;

export class Lane {
  /** Runs what happens. */
  readonly happen: (subject: number) => void;
  #times = new Float64Array(FIRST_ROOM);
  #subjects = new Int32Array(FIRST_ROOM);
  #head = 0;
  #count = 0;
  #last = Number.NEGATIVE_INFINITY;

  constructor(happen: (subject: number) => void) {
    this.happen = happen;
  }

  /** When its first event is; Infinity where it has none. */
  get next(): number {
    return this.#count === 0 ? Number.POSITIVE_INFINITY : this.#times[this.#head];
  }

  /** An event not before any that the lane has. */
  add(time: number, subject: number): void {
    if (time < this.#last)
      throw new Error(`an event at ${time} in a lane that is at ${this.#last}`);
    this.#last = time;
    if (this.#count === this.#times.length) this.#grow();
    const at = (this.#head + this.#count) & (this.#times.length - 1);
    this.#times[at] = time;
    this.#subjects[at] = subject;
    this.#count++;
  }

  take(): number {
    const subject = this.#subjects[this.#head];
    this.#head = (this.#head + 1) & (this.#times.length - 1);
    this.#count--;
    return subject;
  }

  #grow(): void {
    const { length } = this.#times;
    const times = new Float64Array(2 * length);
    const subjects = new Int32Array(2 * length);
    for (let i = 0; i < this.#count; i++) {
      const at = (this.#head + i) & (length - 1);
      times[i] = this.#times[at];
      subjects[i] = this.#subjects[at];
    }
    this.#times = times;
    this.#subjects = subjects;
    this.#head = 0;
  }
}

/** Events between two calls of `progress`. */
const PROGRESS_EVENTS = 1 << 18;

/** Lets everything happen; how many events it were. */
export function runLanes(
  lanes: readonly Lane[],
  clock: { now: number },
  progress: (events: number) => void,
): number {
  for (let events = 0; ; events++) {
    let first = lanes[0];
    for (const lane of lanes) if (lane.next < first.next) first = lane;
    if (first.next === Number.POSITIVE_INFINITY) return events;
    clock.now = first.next;
    first.happen(first.take());
    if (events % PROGRESS_EVENTS === 0) progress(events);
  }
}
