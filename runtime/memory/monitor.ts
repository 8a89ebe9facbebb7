/**
 * A monitor tells the registration cache that the mapping of a range of this process's addresses
 * has changed. It says what happened, never what to do about it.
 *
 * All monitors write one layout of shared memory, that of kernel/dreg.h: a flag for each slot, a
 * ring of the slots that fired, and `user_delta`, which counts them. What holds for each (M1–M5 of
 * docs/internals/registration-cache.md):
 *
 * - From the return of `monitor` on, a change of the range sets the flag before the call that
 *   changed it returns, or `header[busyIndex]` is not 0 from before that return until the flag is
 *   set. Who finds both quiet has missed nothing that has returned.
 * - Order of writing: flag, ring entry, `user_delta` (release).
 * - A slot fires once, until it is unmonitored and monitored again.
 * - `unmonitor` says whether the slot had fired; once it has returned, that range never writes the
 *   slot again.
 */

/** What made slots fire; the index is `dreg_event.reason`, in the kernel's numbering. */
export const REASONS = [
  'unknown',
  'unmap',
  'clear',
  'migrate',
  'exclusive',
  'release',
  'other',
] as const;

/** Why a slot fired. */
export type Reason = (typeof REASONS)[number];

/** What tells that the mapping of memory has changed. {@link openMonitor} opens one. */
export interface Monitor {
  /** 'dreg', 'userfaultfd' or 'none'; 'naive' in tests. */
  readonly name: string;
  /**
   * Whether a registration may outlive its operation. False for 'none', which watches nothing: the
   * manager then registers for each operation and calls none of the functions below but `close`.
   */
  readonly caches: boolean;
  /** How many slots there are, a power of two. So many ranges can be monitored at one time. */
  readonly slots: number;
  /** 32-bit words of the shared header. */
  readonly header: Int32Array;
  /** Index in `header` of the low 32 bits of `user_delta`. */
  readonly deltaIndex: number;
  /**
   * Index in `header` of a word that is not 0 while somebody may be between taking an event and
   * setting its flag. Always 0 with monitors that set the flag before the changing call returns.
   */
  readonly busyIndex: number;
  /** `flags[slot]` is 1 from when the slot fired until it is monitored again. */
  readonly flags: Uint8Array;
  /** `ring[user_delta & (slots - 1)]` is the slot that fires next. */
  readonly ring: Uint32Array;
  /**
   * A descriptor that is readable while a slot has fired and was not drained; -1 where no slot ever fires.
   * The manager puts it into the event loop, unref'ed. `close` closes it.
   */
  readonly wakeFd: number;
  /**
   * Whether `fence` must run before every look at the flags, instead of only where the manager
   * meets a buffer for the first time (DREG_UFFD_FENCE=always).
   */
  readonly fenceAlways: boolean;

  /**
   * Watches [address, address + length), page-aligned, under a slot that is not monitored now. Clears
   * `flags[slot]`.
   * @returns 0 or a negative errno: ENOSPC, ENOMEM, EMFILE, EDQUOT where a resource is used up; any other one
   *   where this memory cannot be watched
   * @throws MpiError as {@link fence}
   */
  monitor(slot: number, address: number, length: number): number;

  /**
   * Gives the slot up.
   * @returns 1 where the slot had fired, 0 where it had not, or a negative errno
   * @throws nothing
   */
  unmonitor(slot: number): number;

  /**
   * Gives up `slots[0..count)`, and writes into `fired[i]` 1 where `slots[i]` had fired, else 0.
   * @returns how many slots were given up, from the first on; or a negative errno where none was
   * @throws nothing
   */
  unmonitorBatch(slots: Uint32Array, count: number, fired: Uint8Array): number;

  /**
   * Takes the events that wait, without blocking, so that `wakeFd` is quiet, and adds 1 to `reasons[reason]`
   * for each. The ring and the flags do not change.
   * @throws nothing
   */
  drain(reasons: Float64Array): void;

  /**
   * Returns when every change of a mapping that began before this call has set its flags. The thread that
   * makes the change may still be inside its system call, and the address may have a new owner already. Does
   * nothing in a monitor whose flags are never late.
   * @throws MpiError ERR_INTERNAL where the kernel refuses what it took before
   */
  fence(): void;

  /** Ends the monitor. No slot fires after that. @throws nothing */
  close(): void;
}
