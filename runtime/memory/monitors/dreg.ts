/**
 * The monitor of the kernel module dreg: /dev/dreg. The module sets the flags before the call that changed
 * the mapping returns, and before the address can have a new owner. So this monitor needs no fence.
 */
import { constants } from 'node:os';
import { type DregAddon, dreg, EVENT_WORDS, RANGE_WORDS, SHARED } from '../../../native/dreg.ts';
import { type FdOwner, mapping } from '../../../native/mapping.ts';
import { errnoName, MpiError } from '../../base/error.ts';
import type { Monitor } from '../monitor.ts';
import { checkSlots, layoutOf, SLOTS_DEFAULT } from './layout.ts';

const { EACCES, EMFILE, ENFILE, ENODEV, ENOENT, ENOMEM, ENXIO } = constants.errno;

/** DREG_SLOTS_MAX of kernel/dreg.h. */
export const DREG_SLOTS_MAX = 2 ** 20;

const DEVICE = '/dev/dreg';

/** Ranges given to the kernel with one call, and events read with one. */
const BATCH = 256;

const HIGH = 2 ** 32;

export interface DregOptions {
  slots?: number;
  /** Another device file. */
  device?: string;
}

export class DregMonitor implements Monitor {
  readonly name = 'dreg';
  readonly caches = true;
  readonly slots: number;
  readonly header: Int32Array;
  readonly deltaIndex = SHARED.userDelta;
  /** A reserved word: the module writes 0 there. */
  readonly busyIndex = SHARED.reserved;
  readonly flags: Uint8Array;
  readonly ring: Uint32Array;
  /** -1 once it is closed, because the number may then belong to another file. */
  wakeFd: number;
  readonly fenceAlways = false;

  readonly #native: DregAddon = dreg();
  readonly #owner: FdOwner;
  readonly #ranges = new Uint32Array(BATCH * RANGE_WORDS);
  readonly #events = new Uint32Array(BATCH * EVENT_WORDS);
  readonly #monitored: Uint8Array;
  #closed = false;

  /**
   * @throws MpiError ERR_UNSUPPORTED where the module is missing or speaks another ABI; ERR_SYSTEM
   * where descriptors or memory are used up.
   */
  constructor({ slots = SLOTS_DEFAULT, device = DEVICE }: DregOptions = {}) {
    checkSlots(slots, DREG_SLOTS_MAX);
    const fd = mapping().openFd(device, true);
    if (fd < 0) throw unavailable(-fd, 'open', `${device} cannot be opened`);
    this.#owner = mapping().ownFd(fd);
    try {
      const layout = layoutOf(this.#map(fd, slots));
      this.header = layout.header;
      this.flags = layout.flags;
      this.ring = layout.ring;
    } catch (error) {
      mapping().closeOwned(this.#owner);
      throw error;
    }
    this.wakeFd = fd;
    this.slots = slots;
    this.#monitored = new Uint8Array(slots);
  }

  monitor(slot: number, address: number, length: number): number {
    this.#range(0, slot, address, length);
    const answer = this.#native.dregMonitor(this.wakeFd, this.#ranges, 1);
    if (answer < 0) return answer;
    this.#monitored[slot] = 1;
    return 0;
  }

  unmonitor(slot: number): number {
    this.#range(0, slot, 0, 0);
    const answer = this.#native.dregUnmonitor(this.wakeFd, this.#ranges, 1);
    if (answer < 0) return answer;
    this.#monitored[slot] = 0;
    return this.#ranges[RANGE_WORDS - 1];
  }

  unmonitorBatch(slots: Uint32Array, count: number, fired: Uint8Array): number {
    for (let from = 0; from < count; from += BATCH) {
      const part = Math.min(BATCH, count - from);
      for (let i = 0; i < part; i++) this.#range(i, slots[from + i], 0, 0);
      const done = this.#native.dregUnmonitor(this.wakeFd, this.#ranges, part);
      if (done < 0) return from > 0 ? from : done;
      for (let i = 0; i < done; i++) {
        this.#monitored[slots[from + i]] = 0;
        fired[from + i] = this.#ranges[(i + 1) * RANGE_WORDS - 1];
      }
      if (done < part) return from + done;
    }
    return count;
  }

  drain(reasons: Float64Array): void {
    for (;;) {
      const bytes = mapping().readFd(this.wakeFd, this.#events);
      if (bytes <= 0) return;
      const count = bytes / (EVENT_WORDS * 4);
      for (let i = 0; i < count; i++) reasons[this.#events[i * EVENT_WORDS + 1]] += 1;
      if (count < BATCH) return;
    }
  }

  fence(): void {}

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    // The mapping of the shared area lives until it is collected, and the context with it.
    for (let slot = 0; slot < this.slots; slot++) if (this.#monitored[slot]) this.unmonitor(slot);
    mapping().closeOwned(this.#owner);
    this.wakeFd = -1;
  }

  #range(index: number, slot: number, address: number, length: number): void {
    const at = index * RANGE_WORDS;
    this.#ranges[at] = address % HIGH;
    this.#ranges[at + 1] = address / HIGH;
    this.#ranges[at + 2] = length % HIGH;
    this.#ranges[at + 3] = length / HIGH;
    this.#ranges[at + 4] = slot;
    this.#ranges[at + 5] = 0;
  }

  #map(fd: number, slots: number): ArrayBuffer {
    const abi = new Uint32Array(1);
    const bytes = this.#native.dregSetup(fd, slots, abi);
    if (bytes < 0) throw unavailable(-bytes, 'ioctl', `${DEVICE} (ABI ${abi[0]}) refuses SETUP`);
    const area = mapping().mapFd(fd, 0, bytes, false);
    if (typeof area === 'number')
      throw unavailable(-area, 'mmap', `the shared area of ${DEVICE} cannot be mapped`);
    return area;
  }
}

function unavailable(errno: number, syscall: string, what: string): MpiError {
  const { code, hint } = reasonOf(errno);
  const message = `monitor dreg: ${what} (${errnoName(errno)})${hint}`;
  return new MpiError(code, message, { errno, syscall });
}

/** Whether the machine has no dreg, or only lacks resources for one more context. */
function reasonOf(errno: number): { code: 'ERR_SYSTEM' | 'ERR_UNSUPPORTED'; hint: string } {
  switch (errno) {
    case EMFILE:
      return {
        code: 'ERR_SYSTEM',
        hint: ': no descriptor is left; raise RLIMIT_NOFILE (ulimit -n)',
      };
    case ENFILE:
      return { code: 'ERR_SYSTEM', hint: ': the machine has no open file left; raise fs.file-max' };
    case ENOMEM:
      return { code: 'ERR_SYSTEM', hint: ': the machine or the cgroup has no memory left' };
    case ENOENT:
    case ENODEV:
    case ENXIO:
      return { code: 'ERR_UNSUPPORTED', hint: '; is the module loaded? Try "modprobe dreg"' };
    case EACCES:
      return {
        code: 'ERR_UNSUPPORTED',
        hint: '; its permissions forbid it: install kernel/packaging/60-dreg.rules',
      };
    default:
      return { code: 'ERR_UNSUPPORTED', hint: '' };
  }
}
