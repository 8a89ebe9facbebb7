import type { Settings } from './job.ts';

/** Ranks with a shared heap, of which nothing goes another way: neither by a system call, nor collectively by messages. */
export const SHARED_HEAP_SETTINGS: Settings = {
  DREG_SHARED_HEAP: '1',
  DREG_SINGLE_COPY: 'never',
  DREG_COLL_BCAST: 'lines',
  DREG_COLL_GATHER: 'lines',
};
