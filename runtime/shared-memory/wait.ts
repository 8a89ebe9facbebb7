/**
 * `Atomics.wait` and `Atomics.notify` reach the threads of one process. These reach whoever has mapped the memory: they are a
 * futex(2). In a worker, and for a promise, a thread of its own waits: a worker that is terminated must not stay in
 * a system call, and a promise must hold up nobody, libuv's thread pool included.
 */
import { constants } from 'node:os';
import { isMainThread } from 'node:worker_threads';
import { addon, type Watcher } from '../../native/addon.ts';
import { type Waits, waitsAddon } from '../../native/waits.ts';
import { inWords, lengthOf, typeNameOf } from '../base/bytes.ts';
import { check, MpiError } from '../base/error.ts';

/** What became of a wait: notified, or there was another value, or the time was over. */
export type WaitResult = 'ok' | 'not-equal' | 'timed-out';

/** Waits of a process on threads of their own at one time: those that are promises, and those of workers. */
export const WAITS_MAX = 1024;
/** A worker that blocks looks this often whether it is to end. */
export const TERMINATION_LOOK_MS = 100;

const { EAGAIN, EBUSY, ECANCELED, EDQUOT, ENOMEM, ENOSYS, ETIMEDOUT } = constants.errno;
const INT_MAX = 2 ** 31 - 1;

type Words = Int32Array | BigInt64Array;

/** A wait that is under way. */
interface Pending {
  /** It keeps the memory. */
  readonly array: Words;
  resolve(result: WaitResult): void;
  reject(error: MpiError): void;
}

/** Waits of this thread that are promises. */
class AsyncWaits {
  readonly #waits: Waits;
  readonly #watcher: Watcher;
  readonly #pending = new Map<number, Pending>();

  constructor(waits: Waits) {
    this.#waits = waits;
    const fd = waitsAddon().waitsFd(waits);
    this.#watcher = new (addon().Watcher)(fd, true, () => this.#settle());
    this.#watcher.unref();
  }

  add(id: number, pending: Pending): void {
    if (this.#pending.size === 0) this.#watcher.ref();
    this.#pending.set(id, pending);
  }

  #settle(): void {
    const ended = waitsAddon().waitsEnded(this.#waits);
    for (let at = 0; at < ended.length; at += 2) {
      const pending = this.#pending.get(ended[at]) as Pending;
      this.#pending.delete(ended[at]);
      try {
        pending.resolve(resultOf(ended[at + 1]));
      } catch (error) {
        pending.reject(error as MpiError);
      }
    }
    // Nothing that could still come keeps the process alive.
    if (this.#pending.size === 0) this.#watcher.unref();
  }
}

let threadWaits: Waits | undefined;
let asyncWaits: AsyncWaits | undefined;

function waitsOfThread(): Waits {
  if (threadWaits === undefined) {
    const waits = waitsAddon().waitsOpen();
    if (typeof waits === 'number') throw check(waits, 'eventfd', 'waiting for shared memory');
    threadWaits = waits;
  }
  return threadWaits;
}

/**
 * Blocks until somebody notifies this element, in whichever process, or the time is over; not at all if the element
 * has another value than the one given. As `Atomics.wait`, for memory that several processes have mapped.
 * @param index of an element of the array
 * @param value what the element must have
 * @param timeout milliseconds; default: without end
 * @throws MpiError ERR_BUFFER, ERR_ARG; ERR_UNSUPPORTED for a `BigInt64Array` before Linux 5.16; in a
 *   worker ERR_NO_MEM where {@link WAITS_MAX} wait
 */
export function wait(array: Int32Array, index: number, value: number, timeout?: number): WaitResult;
export function wait(
  array: BigInt64Array,
  index: number,
  value: bigint,
  timeout?: number,
): WaitResult;
export function wait(
  array: Words,
  index: number,
  value: number | bigint,
  timeout?: number,
): WaitResult {
  const milliseconds = checkWait(array, index, value, timeout);
  if (isMainThread) return resultOf(waitsAddon().waitHere(array, index, value, milliseconds));
  const id = begin(array, index, value, milliseconds, true);
  for (;;) {
    const answer = waitsAddon().waitBlock(waitsOfThread(), id, TERMINATION_LOOK_MS);
    if (answer !== -EBUSY) return resultOf(answer);
  }
}

/**
 * Waits as {@link wait} does, and does not block. Whoever notifies after this call returned reaches it. A wait that is under way keeps the
 * process alive.
 * @param index of an element of the array
 * @param value what the element must have
 * @param timeout milliseconds; default: without end
 * @throws MpiError ERR_BUFFER, ERR_ARG; ERR_UNSUPPORTED for a `BigInt64Array` before Linux 5.16; ERR_NO_MEM where {@link WAITS_MAX} wait
 */
export function waitAsync(
  array: Int32Array,
  index: number,
  value: number,
  timeout?: number,
): Promise<WaitResult>;
export function waitAsync(
  array: BigInt64Array,
  index: number,
  value: bigint,
  timeout?: number,
): Promise<WaitResult>;
export async function waitAsync(
  array: Words,
  index: number,
  value: number | bigint,
  timeout?: number,
): Promise<WaitResult> {
  return beginWait(array, index, value, timeout).result;
}

/** A wait that can be taken back: its promise is then rejected. */
export interface StartedWait {
  readonly result: Promise<WaitResult>;
  cancel(): void;
}

/** As {@link waitAsync}. @throws MpiError before anything waits */
export function beginWait(
  array: Words,
  index: number,
  value: number | bigint,
  timeout?: number,
): StartedWait {
  const milliseconds = checkWait(array, index, value, timeout);
  const at = (result: WaitResult) => ({ result: Promise.resolve(result), cancel() {} });
  if (Atomics.load(array as Int32Array, index) !== value) return at('not-equal');
  if (milliseconds === 0) return at('timed-out');
  const id = begin(array, index, value, milliseconds, false);
  const waits = waitsOfThread();
  asyncWaits ??= new AsyncWaits(waits);
  const all = asyncWaits;
  const result = new Promise<WaitResult>((resolve, reject) =>
    all.add(id, { array, resolve, reject }),
  );
  return { result, cancel: () => waitsAddon().waitCancel(waits, id) };
}

/**
 * Wakes those who wait for this element, in all processes that have mapped the memory: those who wait
 * longest first. As `Atomics.notify`.
 * @param index of an element of the array
 * @param count how many at most; default: all
 * @returns how many were woken
 * @throws MpiError ERR_BUFFER, ERR_ARG
 */
export function notify(
  array: Int32Array | BigInt64Array,
  index: number,
  count: number = Number.POSITIVE_INFINITY,
): number {
  checkElement(array, index);
  if (typeof count !== 'number' || (count !== Number.POSITIVE_INFINITY && !isCount(count)))
    throw new MpiError(
      'ERR_ARG',
      `${inWords(count)} is no number of waits: give an integer, 0 or more, or leave it out for all`,
    );
  const most = Math.min(count, INT_MAX);
  const answer = waitsAddon().notify(array, index, most, array.BYTES_PER_ELEMENT);
  return check(answer, 'futex', 'notifying shared memory');
}

const isCount = (count: number) => Number.isInteger(count) && count >= 0;

function begin(
  array: Words,
  index: number,
  value: number | bigint,
  milliseconds: number,
  blocks: boolean,
): number {
  const waits = waitsOfThread();
  const id = waitsAddon().waitBegin(waits, array, index, value, milliseconds, blocks);
  if (id === -EDQUOT || id === -ENOMEM)
    throw new MpiError(
      'ERR_NO_MEM',
      id === -EDQUOT
        ? `${WAITS_MAX} waits of this process are under way (WAITS_MAX): wait for fewer elements at a time`
        : 'the system gives this process no more threads, of which each wait takes one: raise "ulimit -u", or pids.max of the cgroup',
    );
  return check(id, 'futex', 'waiting for shared memory');
}

/** @throws MpiError ERR_BUFFER, ERR_ARG @returns the milliseconds, Infinity for none */
function checkWait(array: Words, index: number, value: unknown, timeout: unknown): number {
  checkElement(array, index);
  const wide = typeNameOf(array) === 'BigInt64Array';
  const fits = wide
    ? typeof value === 'bigint' && BigInt.asIntN(64, value) === value
    : typeof value === 'number' && (value | 0) === value;
  if (!fits)
    throw new MpiError(
      'ERR_ARG',
      `${inWords(value)} is no value of ${wide ? 'a BigInt64Array: give a bigint of 64 bits' : 'an Int32Array: give an integer of 32 bits'}`,
    );
  if (timeout === undefined) return Number.POSITIVE_INFINITY;
  if (typeof timeout !== 'number')
    throw new MpiError('ERR_ARG', `the timeout ${inWords(timeout)} is no number of milliseconds`);
  // As Atomics.wait takes them.
  return Number.isNaN(timeout) ? Number.POSITIVE_INFINITY : Math.max(0, timeout);
}

function checkElement(array: Words, index: number): void {
  const name = typeNameOf(array);
  if (name !== 'Int32Array' && name !== 'BigInt64Array')
    throw new MpiError(
      'ERR_BUFFER',
      `what is waited for, or notified, is ${name ?? inWords(array)}: give an Int32Array or a BigInt64Array`,
    );
  const length = lengthOf(array as Int32Array);
  if (typeof index === 'number' && Number.isInteger(index) && index >= 0 && index < length) return;
  throw new MpiError(
    'ERR_ARG',
    `${inWords(index)} is no index of this array, which has ${length} elements`,
  );
}

function resultOf(answer: number): WaitResult {
  if (answer === 0) return 'ok';
  if (answer === -EAGAIN) return 'not-equal';
  if (answer === -ETIMEDOUT) return 'timed-out';
  if (answer === -ECANCELED)
    throw new MpiError('ERR_CLOSED', 'the shared memory was closed while this wait was under way');
  if (answer === -ENOSYS)
    throw new MpiError(
      'ERR_UNSUPPORTED',
      'this kernel, or a filter of system calls, has no futex_waitv (Linux 5.16), which waiting for an element of 64 bits takes: wait for an Int32Array',
    );
  throw check(answer, 'futex', 'waiting for shared memory');
}
