/** dreg.cc: /dev/dreg. Ranges are an array of struct dreg_range of kernel/dreg.h. */
import { addon } from './addon.ts';

export interface DregAddon {
  /** Bytes to map, or a negative errno; `abi[0]` becomes the module's. */
  dregSetup(fd: number, slots: number, abi: Uint32Array): number;
  /** How many ranges were done from the first on, or a negative errno where none was. */
  dregMonitor(fd: number, ranges: Uint32Array, count: number): number;
  dregUnmonitor(fd: number, ranges: Uint32Array, count: number): number;
}

export const dreg = (): DregAddon => addon() as unknown as DregAddon;

/** struct dreg_range: addr, len (64 bits each), slot, flags, in 32-bit words. */
export const RANGE_WORDS = 6;
/** struct dreg_event: slot, reason, start, end (64 bits each), in 32-bit words. */
export const EVENT_WORDS = 6;
/** struct dreg_shared, in 32-bit words. */
export const SHARED = {
  abi: 0,
  slots: 1,
  flagOffset: 2,
  ringOffset: 3,
  userDelta: 4,
  reserved: 6,
  words: 16,
} as const;
