/** userfaultfd.cc: a thread that reads the events and writes flags, ring and `user_delta`. */
import { addon } from './addon.ts';

declare const running: unique symbol;

/** The reading thread; stops when it is collected, or when its environment (a worker) ends. */
export interface Reader {
  readonly [running]: 'userfaultfd';
}

export interface UserfaultfdAddon {
  userfaultfdOpen(flags: number): number;
  userfaultfdApi(fd: number, features: number): number;
  /** 1 where the kernel has guard pages, else 0. */
  userfaultfdGuards(): number;
  /** Takes the descriptor, also when it fails. `area` has the layout of struct dreg_shared. */
  userfaultfdStart(
    fd: number,
    slots: number,
  ): { reader: Reader; area: ArrayBuffer; wakeFd: number } | number;
  userfaultfdStop(reader: Reader): void;
  userfaultfdRegister(reader: Reader, address: number, length: number): number;
  userfaultfdUnregister(reader: Reader, address: number, length: number): number;
  userfaultfdArm(reader: Reader, slot: number, address: number, length: number): number;
  /** 1 where the slot had fired. */
  userfaultfdDisarm(reader: Reader, slot: number): number;
  userfaultfdFence(reader: Reader): number;
}

export const userfaultfd = (): UserfaultfdAddon => addon() as unknown as UserfaultfdAddon;

/** UFFD_USER_MODE_ONLY of linux/userfaultfd.h: may be opened without privilege. */
export const USER_MODE_ONLY = 1;
/** UFFD_FEATURE_* of linux/userfaultfd.h. */
export const FEATURE = {
  wp: 1 << 0,
  eventRemap: 1 << 2,
  eventRemove: 1 << 3,
  eventUnmap: 1 << 6,
  wpHugetlbfsShmem: 1 << 12,
} as const;
/** Words of struct dreg_shared that this monitor uses beside the kernel's. */
export const WORDS = { busy: 6, reasons: 8 } as const;
