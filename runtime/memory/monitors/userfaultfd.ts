/**
 * The monitor without a kernel module: userfaultfd(2). An event comes after the unmapping, and a thread of
 * the monitor's own reads it. So flags may be late; the busy word and `fence` say when they are not. The
 * monitor refuses to watch memory whose changes it cannot see: memory of files, which other processes can
 * truncate or punch without an event; memory that is shared with a forked child; and huge pages. The last
 * two are files to the kernel. A few rare changes escape the monitor: docs/internals/userfaultfd.md names
 * them all.
 */
import { constants } from 'node:os';
import { SHARED } from '../../../native/dreg.ts';
import { mapping } from '../../../native/mapping.ts';
import type { UserfaultfdAddon } from '../../../native/userfaultfd.ts';
import {
  FEATURE,
  type Reader,
  USER_MODE_ONLY,
  userfaultfd,
  WORDS,
} from '../../../native/userfaultfd.ts';
import { errnoName, MpiError } from '../../base/error.ts';
import type { Monitor } from '../monitor.ts';
import { Coverage } from './coverage.ts';
import { checkSlots, layoutOf, SLOTS_DEFAULT } from './layout.ts';
import { FILE, HOLE, Mappings } from './mappings.ts';

/**
 * Slots at most. Each range may split a mapping, of which a process may have vm.max_map_count (65530 by
 * default). And each event is compared with every slot.
 */
export const USERFAULTFD_SLOTS_MAX = 2 ** 16;

const { EBADF, EFAULT, EINVAL, EMFILE, ENFILE, ENOMEM, EOPNOTSUPP } = constants.errno;

const FEATURES = FEATURE.wp | FEATURE.eventRemap | FEATURE.eventRemove | FEATURE.eventUnmap;

/**
 * Sizes of huge pages, which are tried in turn where the kernel does not say the size of a mapping's pages.
 */
const HUGE_PAGES = [2 ** 21, 2 ** 30];

const REASONS = 7;

export interface UserfaultfdOptions {
  slots?: number;
  /** 'always': fence before every look (default: DREG_UFFD_FENCE). */
  fence?: 'auto' | 'always';
  /** Watch memory of files as well: the program promises that none is truncated or punched. */
  files?: 'refuse' | 'trust';
  /**
   * 'refuse': fail where the kernel has guard pages, of which it does not tell (default: DREG_UFFD_GUARDS,
   * else this). 'trust': the program promises that none are put into memory of buffers.
   */
  guards?: 'refuse' | 'trust';
  /** Ask for mappings as on a kernel before 6.11. */
  mappingsByText?: boolean;
  /** The native half; tests give one that can be held. */
  native?: UserfaultfdAddon;
}

export class UserfaultfdMonitor implements Monitor {
  readonly name = 'userfaultfd';
  readonly caches = true;
  readonly slots: number;
  readonly header: Int32Array;
  readonly deltaIndex = SHARED.userDelta;
  readonly busyIndex = WORDS.busy;
  readonly flags: Uint8Array;
  readonly ring: Uint32Array;
  /** -1 once it is closed, because the number may then belong to another file. */
  wakeFd: number;
  readonly fenceAlways: boolean;

  readonly #native: UserfaultfdAddon;
  readonly #reader: Reader;
  readonly #mappings: Mappings;
  readonly #trustFiles: boolean;
  readonly #coverage = new Coverage();
  /** What is registered for each slot. */
  readonly #starts: Float64Array;
  readonly #ends: Float64Array;
  readonly #signals = new BigUint64Array(1);
  readonly #reasonsSeen = new Int32Array(REASONS);
  #closed = false;

  /**
   * @throws MpiError ERR_UNSUPPORTED where userfaultfd is missing or forbidden; ERR_SYSTEM where
   * descriptors or memory are used up.
   */
  constructor(options: UserfaultfdOptions = {}) {
    const { slots = SLOTS_DEFAULT, native = userfaultfd() } = options;
    checkSlots(slots, USERFAULTFD_SLOTS_MAX);
    this.fenceAlways = (options.fence ?? fenceOfEnvironment()) === 'always';
    this.#trustFiles = (options.files ?? filesOfEnvironment()) === 'trust';
    if ((options.guards ?? guardsOfEnvironment()) === 'refuse' && native.userfaultfdGuards())
      throw unavailable(
        EOPNOTSUPP,
        'madvise',
        'this kernel has guard pages (MADV_GUARD_INSTALL), which take memory away unseen; load dreg.ko, or set DREG_UFFD_GUARDS=trust where no native code puts guard pages into memory of buffers',
      );
    this.#mappings = new Mappings(options.mappingsByText);
    try {
      const { reader, area, wakeFd } = start(native, slots);
      this.#reader = reader;
      this.wakeFd = wakeFd;
      const layout = layoutOf(area);
      this.header = layout.header;
      this.flags = layout.flags;
      this.ring = layout.ring;
    } catch (error) {
      this.#mappings.close();
      throw error;
    }
    this.#native = native;
    this.slots = slots;
    this.#starts = new Float64Array(slots);
    this.#ends = new Float64Array(slots);
  }

  monitor(slot: number, address: number, length: number): number {
    // An event that is still on its way belongs to what was at this address before.
    this.fence();
    let answer = this.#native.userfaultfdArm(this.#reader, slot, address, length);
    if (answer < 0) return answer;
    answer = this.#register(slot, address, address + length);
    if (answer < 0) {
      this.#native.userfaultfdDisarm(this.#reader, slot);
      return answer;
    }
    // Checked now, because from here on a change of the mapping makes an event.
    answer = this.#acceptable(address, address + length);
    if (answer < 0) this.unmonitor(slot);
    return answer;
  }

  unmonitor(slot: number): number {
    const fired = this.#native.userfaultfdDisarm(this.#reader, slot);
    if (fired < 0) return fired;
    // Where the slot has fired, the address may have another owner by now, with a userfaultfd of its own.
    // The rest of our mapping there stays registered: its events touch no slot.
    const giveUp =
      fired === 0
        ? (start: number, end: number) =>
            this.#native.userfaultfdUnregister(this.#reader, start, end - start)
        : () => {};
    this.#coverage.remove(this.#starts[slot], this.#ends[slot], giveUp);
    return fired;
  }

  unmonitorBatch(slots: Uint32Array, count: number, fired: Uint8Array): number {
    for (let i = 0; i < count; i++) {
      const answer = this.unmonitor(slots[i]);
      if (answer < 0) return i > 0 ? i : answer;
      fired[i] = answer;
    }
    return count;
  }

  drain(reasons: Float64Array): void {
    mapping().readFd(this.wakeFd, this.#signals);
    for (let reason = 0; reason < REASONS; reason++) {
      const count = Atomics.load(this.header, WORDS.reasons + reason);
      reasons[reason] += (count - this.#reasonsSeen[reason]) >>> 0;
      this.#reasonsSeen[reason] = count;
    }
  }

  fence(): void {
    const answer = this.#native.userfaultfdFence(this.#reader);
    if (answer < 0 && answer !== -EBADF)
      throw new MpiError(
        'ERR_INTERNAL',
        `monitor userfaultfd: the fence failed with ${errnoName(-answer)}`,
        {
          errno: -answer,
          syscall: 'ioctl',
        },
      );
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#native.userfaultfdStop(this.#reader);
    this.wakeFd = -1;
    this.#mappings.close();
  }

  /** Registers the range, on huge pages the whole pages. 0 or a negative errno. */
  #register(slot: number, start: number, end: number): number {
    let answer = this.#native.userfaultfdRegister(this.#reader, start, end - start);
    if (answer === -EINVAL) {
      this.#mappings.kindOf(start, end);
      const told = this.#mappings.pageBytes;
      for (const page of told === 0 ? HUGE_PAGES : [told]) {
        start = Math.floor(start / page) * page;
        end = Math.ceil(end / page) * page;
        answer = this.#native.userfaultfdRegister(this.#reader, start, end - start);
        if (answer !== -EINVAL) break;
      }
    }
    if (answer < 0) return answer;
    this.#starts[slot] = start;
    this.#ends[slot] = end;
    this.#coverage.add(start, end);
    return 0;
  }

  #acceptable(start: number, end: number): number {
    const kind = this.#mappings.kindOf(start, end);
    if (kind === HOLE) return -EFAULT;
    return kind === FILE && !this.#trustFiles ? -EOPNOTSUPP : 0;
  }
}

function start(native: UserfaultfdAddon, slots: number) {
  const fd = open(native);
  const answer = native.userfaultfdApi(fd, FEATURES | FEATURE.wpHugetlbfsShmem);
  if (answer === -EINVAL) {
    // Before 5.19 the kernel knows it for private anonymous memory only.
    const plain = native.userfaultfdApi(fd, FEATURES);
    if (plain < 0) {
      mapping().closeFd(fd);
      throw unavailable(-plain, 'ioctl', 'the kernel lacks its events or write-protection');
    }
  }
  const started = native.userfaultfdStart(fd, slots);
  if (typeof started === 'number')
    throw unavailable(-started, 'userfaultfd', 'its reader cannot be started');
  return started;
}

function open(native: UserfaultfdAddon): number {
  let fd = native.userfaultfdOpen(USER_MODE_ONLY);
  // Before 5.11 the kernel does not know the flag.
  if (fd === -EINVAL) fd = native.userfaultfdOpen(0);
  if (fd < 0) throw unavailable(-fd, 'userfaultfd', 'the kernel lacks it, or seccomp forbids it');
  return fd;
}

function unavailable(errno: number, syscall: string, what: string): MpiError {
  const code = [EMFILE, ENFILE, ENOMEM].includes(errno) ? 'ERR_SYSTEM' : 'ERR_UNSUPPORTED';
  return new MpiError(code, `monitor userfaultfd: ${what} (${errnoName(errno)})`, {
    errno,
    syscall,
  });
}

/** The value of an environment variable out of two, the first being the default. */
function choice<A extends string, B extends string>(name: string, usual: A, other: B): A | B {
  const value = process.env[name];
  if (value === undefined || value === '' || value === usual) return usual;
  if (value === other) return other;
  throw new MpiError('ERR_ARG', `${name} is "${value}"; it must be "${usual}" or "${other}"`);
}

/**
 * @environment DREG_UFFD_FENCE | `auto` (default), `always` | when the userfaultfd monitor waits for
 *   changes under way: where an ArrayBuffer is new, or before every operation ([the
 *   fence](../internals/registration-cache.md#the-fence))
 */
const fenceOfEnvironment = () => choice('DREG_UFFD_FENCE', 'auto', 'always');
/**
 * @environment DREG_UFFD_FILES | `refuse` (default), `trust` | whether the userfaultfd monitor watches
 *   mappings of files, shared memory and hugetlb, although it is not told of their truncation
 *   ([userfaultfd.md](../internals/userfaultfd.md#what-it-refuses-and-what-it-cannot-see))
 */
const filesOfEnvironment = () => choice('DREG_UFFD_FILES', 'refuse', 'trust');
/**
 * @environment DREG_UFFD_GUARDS | `refuse` (default), `trust` | whether the userfaultfd monitor works on a
 *   kernel that has guard pages (Linux 6.13 and newer), although it does not see them ([guard
 *   pages](../internals/userfaultfd.md#guard-pages))
 */
const guardsOfEnvironment = () => choice('DREG_UFFD_GUARDS', 'refuse', 'trust');
