/**
 * When a rank that polls a device made of software leaves the processor to it. Where such a device does its
 * work in interrupts (rxe of Linux 6.1) yielding is a system call for nothing; where it does it in
 * threads of the kernel (rxe of Linux 6.12) these may wait for the processor that polls. So what came
 * is looked at: right after a yield, then the next one comes earlier; before any, then it comes later.
 */

/** Polls that find nothing before a yield: at first and at least, and at most. */
export const YIELD_POLLS = 16;
export const YIELD_POLLS_MAX = 32768;

export class YieldPolicy {
  #every = YIELD_POLLS;
  #empty = 0;
  #yielded = false;

  /** Polls without a find between two yields. */
  get every(): number {
    return this.#every;
  }

  /** A poll has found something. */
  found(): void {
    if (this.#yielded) this.#every = Math.max(YIELD_POLLS, this.#every >> 1);
    else this.#every = Math.min(YIELD_POLLS_MAX, this.#every << 1);
    this.#empty = 0;
    this.#yielded = false;
  }

  /** A poll has found nothing; true: yield now. */
  isDue(): boolean {
    this.#empty += 1;
    this.#yielded = this.#empty >= this.#every;
    if (this.#yielded) this.#empty = 0;
    return this.#yielded;
  }
}
