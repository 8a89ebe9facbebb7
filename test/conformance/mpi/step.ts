/** What the steps of each chapter need of the interpreter of schedules. */
import { ANY_SOURCE, ANY_TAG, type Communicator, MPI, PROC_NULL } from '../../../runtime/index.ts';

/** A line of a schedule. */
export interface Step {
  /** What stands behind the operation. */
  readonly words: readonly string[];
  /** The same as numbers. */
  readonly numbers: readonly number[];
  /** Which of the two habits it takes. */
  readonly blocks: boolean;
  /** A number that decides which of several ways an operation takes to say the same. */
  readonly way: number;
  /** Writes a line of this rank's trace. */
  trace(line: string): void;
}

export type Steps = Readonly<Record<string, (step: Step) => void | Promise<void>>>;

/** Communicators by their numbers in the schedule; 0 is the world. */
export const comms = new Map<number, Communicator | null>([[0, MPI.world]]);

export function commOf(slot: number): Communicator {
  const comm = comms.get(slot);
  if (!comm) throw new Error(`there is no communicator ${slot}`);
  return comm;
}

export function rankOf(rank: number): number {
  if (rank === -1) return ANY_SOURCE;
  return rank === -2 ? PROC_NULL : rank;
}

export const tagOf = (tag: number) => (tag === -1 ? ANY_TAG : tag);

/** Bytes that a seed decides. */
export function filled(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let x = seed;
  for (let i = 0; i < length; i++) {
    x = (Math.imul(x, 1664525) + 1013904223) | 0;
    bytes[i] = x >>> 24;
  }
  return bytes;
}

export function checksum(bytes: Uint8Array, length: number): string {
  let sum = 0x811c9dc5;
  for (let i = 0; i < length; i++) sum = Math.imul(sum ^ bytes[i], 0x01000193);
  return (sum >>> 0).toString(16).padStart(8, '0');
}
