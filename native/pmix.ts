/**
 * pmix.cc: libpmix, loaded at run time. Calls answer a status of PMIx where they fail, which is negative
 * and no errno. They may block; the process is one client, in whichever thread.
 */
import { addon } from './addon.ts';

export interface PmixAddon {
  /** '' where a library of PMIx is loaded: this file, at the first call that finds one. Else what is missing. */
  pmixLoad(file: string): string;
  /** What the library says of itself: "OpenPMIx 4.2.2, …". Only once it is loaded, as all below. */
  pmixVersion(): string;
  pmixErrorString(status: number): string;
  /** Joins: who this process is, and a descriptor that is readable while {@link pmixLostProcesses} has some. */
  pmixInit(): [namespace: string, rank: number, bell: number] | number;
  /** Every rank can get it after the next fence. */
  pmixPut(key: string, bytes: Uint8Array): number;
  /** Blocks until every rank is in it. */
  pmixFence(): number;
  /** The bytes that a rank has put; of rank -1, a number that the launcher says of the whole job. */
  pmixGet(rank: number, key: string): Uint8Array | number;
  /** Of each process lost since the last call: its rank (-1: the launcher), and PMIx's status. */
  pmixLostProcesses(): number[];
  pmixAbort(code: number, message: string): number;
  pmixFinalize(): number;
}

export const pmixAddon = (): PmixAddon => addon() as unknown as PmixAddon;

/** Statuses, by the library's own numbers. */
export const PMIX = { notFound: -46 } as const;
