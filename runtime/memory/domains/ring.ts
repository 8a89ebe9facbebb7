/** An io_uring seen through typed arrays: one thread submits and reaps, the kernel does the rest. */
import { addon } from '../../../native/addon.ts';
import { type FdOwner, mapping } from '../../../native/mapping.ts';
import {
  CQE_WORDS,
  ENTER_GETEVENTS,
  FEATURE_EXT_ARG,
  FEATURE_SINGLE_MMAP,
  OFFSET,
  PARAMS,
  SETUP_CQSIZE,
  SQ_CQ_OVERFLOW,
  SQE_WORDS,
  type UringAddon,
  uring,
  WAIT_MOST_MS,
} from '../../../native/uring.ts';
import { errnoName, MpiError } from '../../base/error.ts';
import { lockedMemoryLimit, MEMLOCK_FIX } from '../limits.ts';

/** Completions that one submission can have: SEND_ZC has a second one, its notification. */
const COMPLETIONS = 2;

const HIGH = 2 ** 32;

/** A submission queue entry. Fields that do not apply are 0. */
export interface Entry {
  opcode: number;
  /** Flags of the opcode that stand in `ioprio`. */
  priority: number;
  fd: number;
  /** File position; -1 is the file's own, and right for what has none. */
  position: number;
  address: number;
  length: number;
  /** Flags of the opcode. */
  flags: number;
  bufferIndex: number;
  userData: number;
}

/** Takes one completion. */
export type Complete = (userData: number, result: number, flags: number) => void;

export class Ring {
  /** -1 once it is closed, like `eventfd`, because the number may then belong to another file. */
  fd: number;
  /** Entries that may be submitted and not completed at one time. */
  readonly entries: number;
  /** Signalled with each completion. */
  eventfd: number;

  readonly #native: UringAddon = uring();
  readonly #owner: FdOwner;
  readonly #eventOwner: FdOwner;
  /** Both rings, as 32-bit words; then the submission entries. */
  readonly #words: Int32Array;
  readonly #sqes: Uint32Array;
  readonly #sqTail: number;
  readonly #sqFlags: number;
  readonly #sqMask: number;
  readonly #cqHead: number;
  readonly #cqTail: number;
  readonly #cqes: number;
  readonly #cqMask: number;

  /** @throws MpiError ERR_UNSUPPORTED where io_uring is missing, forbidden or too old. */
  constructor(entries: number) {
    const params = new Uint32Array(PARAMS.words);
    params[PARAMS.flags] = SETUP_CQSIZE;
    params[PARAMS.cqEntries] = COMPLETIONS * entries;
    this.fd = this.#native.uringSetup(entries, params);
    if (this.fd < 0) throw unavailable(-this.fd, 'io_uring_setup', reasonOf(-this.fd));
    this.#owner = mapping().ownFd(this.fd);
    const needed = FEATURE_SINGLE_MMAP | FEATURE_EXT_ARG;
    if ((params[PARAMS.features] & needed) !== needed) {
      this.close();
      throw unavailable(0, 'io_uring_setup', 'the kernel is too old');
    }
    this.entries = params[PARAMS.sqEntries];
    const sqArray = params[PARAMS.sqArray] / 4;
    this.#cqes = params[PARAMS.cqCqes] / 4;
    const cqEnd = this.#cqes + params[PARAMS.cqEntries] * CQE_WORDS;
    this.#words = new Int32Array(
      this.#map(OFFSET.rings, 4 * Math.max(cqEnd, sqArray + this.entries)),
    );
    this.#sqes = new Uint32Array(this.#map(OFFSET.sqes, 4 * SQE_WORDS * this.entries));
    this.#sqTail = params[PARAMS.sqTail] / 4;
    this.#sqFlags = params[PARAMS.sqFlags] / 4;
    this.#sqMask = this.entries - 1;
    this.#cqHead = params[PARAMS.cqHead] / 4;
    this.#cqTail = params[PARAMS.cqTail] / 4;
    this.#cqMask = params[PARAMS.cqEntries] - 1;
    // The entry at each place of the ring is the one of the same number.
    for (let i = 0; i < this.entries; i++) this.#words[sqArray + i] = i;

    this.eventfd = addon().eventfdCreate();
    this.#eventOwner = mapping().ownFd(this.eventfd);
    const answer =
      this.eventfd < 0 ? this.eventfd : this.#native.uringEventfd(this.fd, this.eventfd);
    if (answer < 0) {
      this.close();
      throw unavailable(-answer, 'eventfd', 'its completions cannot be waited for');
    }
  }

  /** Makes the kernel take one entry. 0 or a negative errno; then it was not taken. */
  submit(entry: Entry): number {
    const tail = this.#words[this.#sqTail];
    this.#fill((tail & this.#sqMask) * SQE_WORDS, entry);
    Atomics.store(this.#words, this.#sqTail, tail + 1);
    const answer = this.#native.uringEnter(this.fd, 1, 0, 0, 0);
    if (answer === 1) return 0;
    // The kernel reads the tail only inside that call.
    Atomics.store(this.#words, this.#sqTail, tail);
    return answer;
  }

  /**
   * Calls `complete` for every completion that is there.
   * @returns how many these were
   */
  reap(complete: Complete): number {
    const words = this.#words;
    if (words[this.#sqFlags] & SQ_CQ_OVERFLOW)
      this.#native.uringEnter(this.fd, 0, 0, ENTER_GETEVENTS, 0);
    let count = 0;
    for (;;) {
      const head = words[this.#cqHead];
      if (head === Atomics.load(words, this.#cqTail)) return count;
      const at = this.#cqes + (head & this.#cqMask) * CQE_WORDS;
      const userData = words[at];
      const result = words[at + 2];
      const flags = words[at + 3];
      // The entry is given back before the call, which may submit and reap itself.
      Atomics.store(words, this.#cqHead, head + 1);
      count += 1;
      complete(userData, result, flags);
    }
  }

  /** Blocks this thread until a completion is there, but at most so long. */
  wait(milliseconds: number): void {
    this.#native.uringEnter(this.fd, 0, 1, ENTER_GETEVENTS, Math.min(milliseconds, WAIT_MOST_MS));
  }

  /** Cancels what is under way and waits for it, but at most so long. */
  cancelAll(milliseconds: number): void {
    this.#native.uringCancelAll(this.fd, milliseconds);
  }

  close(): void {
    mapping().closeOwned(this.#owner);
    if (this.#eventOwner) mapping().closeOwned(this.#eventOwner);
    this.fd = -1;
    this.eventfd = -1;
  }

  #fill(at: number, entry: Entry): void {
    const sqe = this.#sqes;
    sqe[at] = entry.opcode | (entry.priority << 16);
    sqe[at + 1] = entry.fd;
    sqe[at + 2] = entry.position % HIGH;
    sqe[at + 3] = Math.floor(entry.position / HIGH);
    sqe[at + 4] = entry.address % HIGH;
    sqe[at + 5] = entry.address / HIGH;
    sqe[at + 6] = entry.length;
    sqe[at + 7] = entry.flags;
    sqe[at + 8] = entry.userData;
    sqe[at + 9] = 0;
    sqe[at + 10] = entry.bufferIndex;
    sqe.fill(0, at + 11, at + SQE_WORDS);
  }

  #map(offset: number, bytes: number): ArrayBuffer {
    const area = mapping().mapFd(this.fd, offset, bytes, true);
    if (typeof area !== 'number') return area;
    this.close();
    throw unavailable(-area, 'mmap', 'its rings cannot be mapped');
  }
}

function reasonOf(errno: number): string {
  const name = errnoName(errno);
  if (name === 'EPERM') return 'it is forbidden here (kernel.io_uring_disabled, seccomp)';
  if (name === 'ENOSYS') return 'the kernel lacks it, or it is forbidden (seccomp)';
  return 'it cannot be set up';
}

export function unavailable(errno: number, syscall: string, what: string): MpiError {
  const name = errno === 0 ? '' : ` (${errnoName(errno)})`;
  const exhausted = /EMFILE|ENFILE|ENOMEM/.test(name);
  const code = exhausted ? 'ERR_SYSTEM' : 'ERR_UNSUPPORTED';
  const hint = /ENOMEM/.test(name) ? outOfMemory() : '';
  return new MpiError(code, `domain uring: ${what}${name}${hint}`, { errno, syscall });
}

/** For an unprivileged process the kernel counts the rings as locked memory. */
function outOfMemory(): string {
  const limit = lockedMemoryLimit();
  if (limit === Infinity) return '';
  return (
    `: what it shares with the kernel is locked memory, of which RLIMIT_MEMLOCK allows ${limit} ` +
    `bytes; ${MEMLOCK_FIX}, or ask for fewer "entries"`
  );
}
