/// <reference lib="esnext.disposable" preserve="true" />
/** Memory that processes share, and is gone with the last of them (docs/guide/shared-memory.md). */
import { constants } from 'node:buffer';
import { constants as osConstants } from 'node:os';
import { addon } from '../../native/addon.ts';
import { type FdOwner, mapping } from '../../native/mapping.ts';
import { inWords } from '../base/bytes.ts';
import { check, MpiError } from '../base/error.ts';
import { memoryLeft, takeMemory } from '../memory/room.ts';
import { NAMES_LAST_LOCK_MS, Names } from './names.ts';
import { beginWait, notify, type StartedWait, type WaitResult, wait } from './wait.ts';

const names = new Names();
/** Named memory that this thread has not closed. */
const named = new Set<SharedMemory>();

/** A process that ends well leaves no name behind. */
function closeAll(): void {
  for (const memory of named) memory.closeAtExit();
}

/**
 * Memory that several processes have: those that {@link SharedMemory.open} it by its name, or by a descriptor that was handed down to them.
 * It is gone when the last of them has closed it, or has ended.
 */
export class SharedMemory {
  /**
   * The descriptor of the memory. A child gets the memory by it: `spawn(file, words, { stdio: [0, 1, 2, memory.fd] })` makes
   * it the child's descriptor 3. -1 once the memory is closed.
   */
  get fd(): number {
    return this.#fd;
  }

  /**
   * The memory. A SharedArrayBuffer, which can be posted to the workers of this process, where Node has one for such memory (Node
   * 22.23, 24.21, 26.12, and newer ones); else an ArrayBuffer: there each worker opens the memory for itself, by name or by `fd`.
   */
  readonly buffer: ArrayBufferLike;
  /** The name that it was made with, or opened by. */
  readonly name: string | undefined;
  #fd: number;
  /** It closes the descriptor where nobody else does: when a worker is terminated. */
  readonly #owner: FdOwner;
  /** Waits that are under way. */
  readonly #waits = new Set<StartedWait>();

  /** @internal Takes the descriptor, in any case. */
  constructor(fd: number, name: string | undefined) {
    this.#fd = fd;
    this.#owner = mapping().ownFd(fd);
    this.name = name;
    try {
      this.buffer = mapAll(fd);
      if (name === undefined) return;
      if (named.size === 0) process.on('exit', closeAll);
      named.add(this);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /**
   * Makes memory, of which every byte is 0.
   * @param bytes its length, which never changes
   * @param name processes of the same user open it by that name: up to 200 letters, digits, `.`, `_` and `-`
   * @throws MpiError ERR_COUNT; ERR_ARG where the name cannot be one, or some process has memory of that name; ERR_NO_MEM where the machine
   *   or the cgroup has no room; ERR_UNSUPPORTED where this Node has no buffer so long; ERR_SYSTEM
   */
  static create(bytes: number, name?: string): SharedMemory {
    if (!Number.isSafeInteger(bytes) || bytes < 1)
      throw new MpiError('ERR_COUNT', `${inWords(bytes)} is no number of bytes from 1 on`);
    checkLength(bytes);
    const fd = makeFile(bytes);
    try {
      if (name !== undefined) names.give(name, fd);
    } catch (error) {
      addon().closeFd(fd);
      throw error;
    }
    return new SharedMemory(fd, name);
  }

  /**
   * Opens memory that another process has made, or another thread.
   * @param from the name that it was made with; or a descriptor of it, which stays the caller's
   * @throws MpiError ERR_ARG where there is no memory of that name, or the descriptor is of something else; ERR_UNSUPPORTED where this Node has no buffer so long;
   *   ERR_NO_MEM, ERR_SYSTEM
   */
  static open(from: string | number): SharedMemory {
    if (typeof from === 'string') return new SharedMemory(names.open(from), from);
    if (!Number.isInteger(from) || from < 0)
      throw new MpiError('ERR_ARG', `${inWords(from)} is neither a name nor a descriptor`);
    const fd = check(addon().fdDuplicate(from), 'fcntl(F_DUPFD)', `opening descriptor ${from}`);
    // A child that this process starts is handed what it is to have, and nothing else.
    addon().closeOnExec(from);
    return new SharedMemory(fd, undefined);
  }

  /**
   * Blocks until somebody notifies this element, in whichever process, or the time is over; not at all if the element has another value. As `Atomics.wait`.
   * @param array over this memory
   * @param index of an element of the array
   * @param value what the element must have
   * @param timeout milliseconds; default: without end
   * @throws MpiError ERR_BUFFER, ERR_ARG, ERR_CLOSED; ERR_UNSUPPORTED for a `BigInt64Array` before Linux 5.16
   */
  wait(array: Int32Array, index: number, value: number, timeout?: number): WaitResult;
  wait(array: BigInt64Array, index: number, value: bigint, timeout?: number): WaitResult;
  wait(
    array: Int32Array | BigInt64Array,
    index: number,
    value: number | bigint,
    timeout?: number,
  ): WaitResult {
    this.#checkOpen();
    return wait(array as Int32Array, index, value as number, timeout);
  }

  /**
   * Waits as {@link wait} does, and does not block. Whoever notifies after this call returned reaches it. It keeps the process
   * alive, and ends with ERR_CLOSED when the memory is closed.
   * @param array over this memory
   * @param index of an element of the array
   * @param value what the element must have
   * @param timeout milliseconds; default: without end
   * @throws MpiError ERR_BUFFER, ERR_ARG, ERR_CLOSED; ERR_UNSUPPORTED for a `BigInt64Array` before Linux 5.16; ERR_NO_MEM where 1024 waits of this process are under way
   */
  waitAsync(array: Int32Array, index: number, value: number, timeout?: number): Promise<WaitResult>;
  waitAsync(
    array: BigInt64Array,
    index: number,
    value: bigint,
    timeout?: number,
  ): Promise<WaitResult>;
  async waitAsync(
    array: Int32Array | BigInt64Array,
    index: number,
    value: number | bigint,
    timeout?: number,
  ): Promise<WaitResult> {
    this.#checkOpen();
    const started = beginWait(array, index, value, timeout);
    this.#waits.add(started);
    try {
      return await started.result;
    } finally {
      this.#waits.delete(started);
    }
  }

  /**
   * Wakes those who wait for this element, in all processes: those who wait longest first. As `Atomics.notify`.
   * @param array over this memory
   * @param index of an element of the array
   * @param count how many at most; default: all
   * @returns how many were woken
   * @throws MpiError ERR_BUFFER, ERR_ARG, ERR_CLOSED
   */
  notify(array: Int32Array | BigInt64Array, index: number, count?: number): number {
    this.#checkOpen();
    return notify(array, index, count);
  }

  /**
   * Gives the memory up. Its name, and the memory itself, are gone with the last process that does so, or ends. Arrays of this process keep
   * theirs until they are collected. A second call does nothing.
   * @throws MpiError ERR_SYSTEM where another process keeps the names locked
   */
  close(): void {
    this.#close(undefined);
  }

  /** Closes the memory at the end of a block, with `using`. */
  [Symbol.dispose](): void {
    this.close();
  }

  /** @internal A name that cannot be taken away now means nothing to the next process. */
  closeAtExit(): void {
    try {
      this.#close(NAMES_LAST_LOCK_MS);
    } catch {}
  }

  #close(lockMs: number | undefined): void {
    const fd = this.#fd;
    if (fd < 0) return;
    this.#fd = -1;
    for (const started of this.#waits) started.cancel();
    named.delete(this);
    if (named.size === 0) process.off('exit', closeAll);
    try {
      if (this.name !== undefined) names.leave(this.name, fd, lockMs);
    } finally {
      mapping().closeOwned(this.#owner);
    }
  }

  #checkOpen(): void {
    if (this.#fd < 0)
      throw new MpiError('ERR_CLOSED', 'the shared memory was closed before: close it later');
  }
}

function makeFile(bytes: number): number {
  const purpose = `making shared memory of ${bytes} bytes`;
  const fd = check(addon().segmentCreate('dreg-mpi shared', bytes), 'memfd_create', purpose);
  try {
    // It has its pages before anybody touches them, and keeps its length: nobody gets SIGBUS.
    takeMemory(bytes, memoryLeft, purpose, (done, piece) =>
      check(addon().segmentReserve(fd, done, piece), 'fallocate', purpose),
    );
    check(addon().segmentSeal(fd, true), 'fcntl(F_ADD_SEALS)', purpose);
    return fd;
  } catch (error) {
    addon().closeFd(fd);
    throw error;
  }
}

/** @throws MpiError ERR_ARG unless it is memory whose length never changes */
function mapAll(fd: number): ArrayBufferLike {
  const stat = addon().segmentStat(fd);
  if (typeof stat === 'number' || addon().segmentFixed(fd) !== 1)
    throw new MpiError(
      'ERR_ARG',
      'the descriptor is not of memory that SharedMemory.create made: such memory is sealed, so that its length never changes',
    );
  const [bytes] = stat;
  checkLength(bytes);
  const shared = addon().segmentMap(fd, 0, bytes, true, true);
  const answer = shared === -osConstants.errno.ENOSYS ? addon().segmentMap(fd, 0, bytes) : shared;
  if (typeof answer === 'number') throw check(answer, 'mmap', 'mapping shared memory');
  return answer;
}

function checkLength(bytes: number): void {
  if (bytes <= constants.MAX_LENGTH) return;
  throw new MpiError(
    'ERR_UNSUPPORTED',
    `shared memory of ${bytes} bytes: Node ${process.versions.node} has no views of more than ${constants.MAX_LENGTH} bytes: use Node 22 or newer`,
  );
}
