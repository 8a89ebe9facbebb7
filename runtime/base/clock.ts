/**
 * Time and turns of the event loop, as they were at import. Test frameworks replace the globals by clocks
 * that stand still until they are moved. Messages must go on meanwhile.
 */
import { performance } from 'node:perf_hooks';
import {
  clearTimeout as nodeClearTimeout,
  setImmediate as nodeSetImmediate,
  setTimeout as nodeSetTimeout,
} from 'node:timers';

/** Milliseconds on a clock that never goes back. */
export const now: () => number = performance.now.bind(performance);

/** Milliseconds since 1970 of a time on that clock. */
export function unixTime(time: number): number {
  return Math.round(performance.timeOrigin + time);
}

export const setImmediate = nodeSetImmediate;
export const setTimeout = nodeSetTimeout;
export const clearTimeout = nodeClearTimeout;
