/** waits.cc: sleeping until a word of shared memory is notified, by whichever process. */
import { addon } from './addon.ts';

declare const waits: unique symbol;

/** The waits of this thread on threads of their own. They end when it is collected, or with its environment. */
export interface Waits {
  readonly [waits]: true;
}

export interface WaitsAddon {
  /** Blocks. 0: woken; -EAGAIN: the word is another; -ETIMEDOUT; -ENOSYS: the kernel has no wait on 64 bits. */
  waitHere(
    array: ArrayBufferView,
    index: number,
    value: number | bigint,
    milliseconds: number,
  ): number;
  /** How many were woken. */
  notify(array: ArrayBufferView, index: number, count: number, width: number): number;
  waitsOpen(): Waits | number;
  /** An eventfd, signalled when waits have ended. */
  waitsFd(waits: Waits): number;
  /** An id, or -EDQUOT: this process has too many; -ENOMEM. Who notifies after that reaches this wait, too. */
  waitBegin(
    waits: Waits,
    array: ArrayBufferView,
    index: number,
    value: number | bigint,
    milliseconds: number,
    blocks: boolean,
  ): number;
  /** Blocks for a wait that was begun so; as waitHere, or -EBUSY: it goes on. */
  waitBlock(waits: Waits, id: number, milliseconds: number): number;
  /** It ends with -ECANCELED. */
  waitCancel(waits: Waits, id: number): void;
  /** Id and result, in turn, of all that have ended and do not block. */
  waitsEnded(waits: Waits): number[];
}

export const waitsAddon = (): WaitsAddon => addon() as unknown as WaitsAddon;
