/**
 * When a rank that polls a device made of software yields its processor. Where the device works in
 * interrupts (rxe of Linux 6.1), yielding is a useless system call. Where the device works in threads of
 * the kernel (rxe of Linux 6.12), these threads may wait for the processor that polls. So the policy learns
 * from the finds: if a poll finds something right after a yield, the next yield comes earlier; if a poll
 * finds something before a yield, the next yield comes later.
 */

/** Polls in vain before a yield: at first and at least, and at most. */
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
