/**
 * The domain that every Linux machine has: io_uring's table of fixed buffers. A fixed buffer is
 * pinned memory with a translation of its own, as an RDMA memory region is: as costly to register,
 * and as wrong when its mapping changes.
 *
 * Sockets and files are named by descriptor. On a stream, operations of one direction may overtake
 * each other while several are under way: post the next when the last is done.
 */
import { constants } from 'node:os';
import { addon, type Watcher } from '../../../native/addon.ts';
import {
  CQE_MORE,
  CQE_NOTIFICATION,
  OP,
  SEND_FIXED,
  type UringAddon,
  uring,
} from '../../../native/uring.ts';
import { setImmediate } from '../../base/clock.ts';
import { check, MpiError } from '../../base/error.ts';
import {
  type Access,
  Attachment,
  type Domain,
  type DomainPort,
  NO_KEY,
  type Operation,
} from '../domain.ts';
import { type Entry, Ring, unavailable } from './ring.ts';

/** Operations under way at one time unless the program asks for another number. */
export const URING_ENTRIES_DEFAULT = 256;

/** IORING_MAX_REG_BUFFERS: the most fixed buffers that a table can have. */
export const URING_BUFFERS_MAX = 16384;

/** The most bytes that the kernel takes as one fixed buffer. */
export const URING_BUFFER_BYTES_MAX = 2 ** 30;

/** Milliseconds for which `close` waits for operations that it has cancelled. */
export const URING_CLOSE_MS = 1000;

const { EAGAIN, EBADF, EBUSY, ECANCELED, EINTR, EINVAL, ENOSPC, EOPNOTSUPP } = constants.errno;

/** The kernel takes no entry just now; it may in a moment. */
const BUSY = new Set([EAGAIN, EBUSY, EINTR]);

/** The most bytes that the kernel moves with one call. */
const TRANSFER_MAX = 0x7fff_f000;

const MSG_WAITALL = 0x100;
const MSG_NOSIGNAL = 0x4000;

/** An operation of io_uring on a file or socket (io_uring_enter(2)). */
export interface UringOperation extends Operation {
  /**
   * 'write' and 'read' are IORING_OP_WRITE_FIXED and IORING_OP_READ_FIXED. On a stream they move at least
   * one byte, and may move fewer than were asked for. 'send' is IORING_OP_SEND_ZC, on sockets of TCP and
   * UDP (others answer `-EOPNOTSUPP`): the memory goes to the network without a copy, and `done` is called
   * when the kernel has let go of the memory.
   */
  readonly kind: 'write' | 'read' | 'send';
  /** The descriptor of the file or socket. */
  readonly fd: number;
  /** Byte in the file; -1 on streams. */
  readonly position: number;
}

/**
 * An operation that writes leased memory to a file or socket.
 * @param done called with the bytes that were moved, or with a negative errno
 * @param position byte in the file; -1 on streams
 * @throws nothing
 */
export const uringWrite = (
  fd: number,
  done: (result: number) => void,
  position = -1,
): UringOperation => ({ kind: 'write', direction: 'out', fd, position, done });

/**
 * An operation that reads from a file or socket into leased memory.
 * @param done called with the bytes that were moved, or with a negative errno
 * @param position byte in the file; -1 on streams
 * @throws nothing
 */
export const uringRead = (
  fd: number,
  done: (result: number) => void,
  position = -1,
): UringOperation => ({ kind: 'read', direction: 'in', fd, position, done });

/**
 * An operation that sends leased memory over a socket of TCP or UDP without a copy (Linux 6.0).
 * @param done called with the bytes that were moved, or with a negative errno, once the kernel has let go of
 *   the memory
 * @throws nothing
 */
export const uringSend = (fd: number, done: (result: number) => void): UringOperation => ({
  kind: 'send',
  direction: 'out',
  fd,
  position: -1,
  done,
});

/** Sizes of a {@link UringDomain}. */
export interface UringOptions {
  /** Operations under way at one time, 1 to 32768; rounded up to a power of two. Default: 256. */
  entries?: number;
  /** Registrations at one time, 1 to 16384, which is the default. */
  buffers?: number;
}

/** The domain that every Linux machine has: io_uring's table of fixed buffers (io_uring_register(2)). */
export class UringDomain implements Domain<UringOperation> {
  /** 'uring'. */
  readonly name = 'uring';
  readonly #port: UringPort;
  readonly #attachment: Attachment<UringOperation>;

  /**
   * Opens an io_uring with a table of fixed buffers.
   * @throws MpiError ERR_UNSUPPORTED where io_uring is missing, forbidden or too old; ERR_ARG for a size out of
   *   range; ERR_SYSTEM, ERR_NO_MEM where the kernel has no descriptor or memory for it
   */
  constructor(options: UringOptions = {}) {
    const { entries = URING_ENTRIES_DEFAULT, buffers = URING_BUFFERS_MAX } = options;
    checkRange('entries', entries, 32768);
    checkRange('buffers', buffers, URING_BUFFERS_MAX);
    this.#port = new UringPort(entries, buffers);
    this.#attachment = new Attachment(this.#port);
  }

  /**
   * Opens an io_uring and closes it again, to see what io_uring can do on this machine.
   * @throws MpiError ERR_UNSUPPORTED where io_uring is missing, forbidden or too old
   */
  static probe(): { canSend: boolean } {
    const domain = new UringDomain({ entries: 1, buffers: 1 });
    const { canSend } = domain;
    domain.#port.close();
    return { canSend };
  }

  /** Operations that were posted and whose `done` was not called yet. */
  get underWay(): number {
    return this.#port.underWay;
  }

  /** Whether this kernel has 'send' ({@link uringSend}). */
  get canSend(): boolean {
    return this.#port.canSend;
  }

  /**
   * Gives the port, by which a manager registers and posts. Managers call this.
   * @throws MpiError ERR_ARG the second time: a domain has one manager
   */
  attach(): DomainPort<UringOperation> {
    return this.#attachment.take();
  }

  /**
   * Calls `done` of the operations that have completed, without a system call. The event loop does the same
   * by itself.
   * @returns how many completions there were
   * @throws what a `done` throws; the others are called later
   */
  poll(): number {
    return this.#port.poll();
  }

  /**
   * Blocks until an operation completes or the time is over, then calls `done` as {@link UringDomain.poll} does.
   * @returns how many completions there were
   * @throws as {@link UringDomain.poll}
   */
  wait(milliseconds: number): number {
    return this.#port.wait(milliseconds);
  }
}

class UringPort implements DomainPort<UringOperation> {
  readonly name = 'uring';
  readonly regionsMax: number;
  readonly regionBytesMax = URING_BUFFER_BYTES_MAX;
  readonly plain = true;
  /** An operation holds its fixed buffer until it completes. */
  readonly deregisterWhilePosted = true;
  readonly canSend: boolean;
  underWay = 0;

  readonly #native: UringAddon = uring();
  readonly #ring: Ring;
  readonly #watcher: Watcher;
  readonly #freeKeys: number[] = [];
  #keysUsed = 0;
  /** Operations under way, by the number in `user_data`, and SEND_ZC's results until it is over. */
  readonly #operations: (UringOperation | undefined)[];
  readonly #results: Int32Array;
  readonly #freeNumbers: number[] = [];
  readonly #entry: Entry = {
    opcode: 0,
    priority: 0,
    fd: -1,
    position: -1,
    address: 0,
    length: 0,
    flags: 0,
    bufferIndex: 0,
    userData: 0,
  };
  #closed = false;

  constructor(entries: number, buffers: number) {
    this.#ring = new Ring(entries);
    this.regionsMax = buffers;
    this.#operations = new Array(this.#ring.entries).fill(undefined);
    this.#results = new Int32Array(this.#ring.entries);
    for (let i = this.#ring.entries - 1; i >= 0; i--) this.#freeNumbers.push(i);
    try {
      const table = this.#native.uringTable(this.#ring.fd, buffers);
      if (table < 0)
        throw unavailable(-table, 'io_uring_register', 'no table of fixed buffers (Linux 5.19)');
      this.canSend =
        check(this.#native.uringHas(this.#ring.fd, OP.sendZc), 'io_uring_register', 'io_uring') ===
        1;
      const { Watcher } = addon();
      this.#watcher = new Watcher(this.#ring.eventfd, true, () => this.poll());
      this.#watcher.unref();
    } catch (error) {
      this.#ring.close();
      throw error;
    }
  }

  register(address: number, length: number, _access: Access): number {
    const key = this.#freeKeys.pop() ?? this.#keysUsed;
    if (key >= this.regionsMax) return -ENOSPC;
    const answer = this.#native.uringUpdate(this.#ring.fd, key, address, length);
    if (key === this.#keysUsed) this.#keysUsed += 1;
    if (answer >= 0) return key;
    this.#freeKeys.push(key);
    return answer;
  }

  deregister(key: number): number {
    const answer = this.#native.uringUpdate(this.#ring.fd, key, 0, 0);
    if (answer >= 0) this.#freeKeys.push(key);
    return answer;
  }

  post(operation: UringOperation, key: number, address: number, length: number): number {
    if (this.#closed) return -EBADF;
    if (length > TRANSFER_MAX) return -EINVAL;
    if (operation.kind === 'send' && !this.canSend) return -EOPNOTSUPP;
    const number = this.#freeNumbers.pop();
    if (number === undefined) return -EAGAIN;
    const entry = this.#entry;
    const fixed = key !== NO_KEY;
    const send = operation.kind === 'send';
    entry.opcode = OPCODE[operation.kind][fixed ? 1 : 0];
    entry.priority = send && fixed ? SEND_FIXED : 0;
    entry.fd = operation.fd;
    entry.position = send ? 0 : operation.position;
    entry.address = address;
    entry.length = length;
    entry.flags = send ? MSG_WAITALL | MSG_NOSIGNAL : 0;
    entry.bufferIndex = fixed ? key : 0;
    entry.userData = number;
    const answer = this.#ring.submit(entry);
    if (answer < 0) {
      this.#freeNumbers.push(number);
      return BUSY.has(-answer) ? -EAGAIN : answer;
    }
    this.#operations[number] = operation;
    if (this.underWay++ === 0) this.#watcher.ref();
    return 0;
  }

  piece(
    operation: UringOperation,
    offset: number,
    _length: number,
    done: (result: number) => void,
  ): UringOperation {
    const { kind, direction, fd } = operation;
    const position = operation.position < 0 ? operation.position : operation.position + offset;
    return { kind, direction, fd, position, done };
  }

  poll(): number {
    if (this.#closed) return 0;
    let whole = false;
    try {
      const count = this.#ring.reap(this.#complete);
      whole = true;
      return count;
    } finally {
      // A `done` that throws must not keep other operations from theirs.
      if (!whole) setImmediate(() => this.poll());
    }
  }

  wait(milliseconds: number): number {
    const count = this.poll();
    if (count > 0 || this.underWay === 0) return count;
    this.#ring.wait(milliseconds);
    return this.poll();
  }

  close(): void {
    if (this.#closed) return;
    if (this.underWay > 0) {
      this.#ring.cancelAll(URING_CLOSE_MS);
      this.poll();
    }
    this.#closed = true;
    this.#watcher.close();
    this.#ring.close();
    for (const [number, operation] of this.#operations.entries())
      if (operation) this.#finish(number, -ECANCELED);
  }

  #complete = (number: number, result: number, flags: number): void => {
    if (flags & CQE_NOTIFICATION) this.#finish(number, this.#results[number]);
    else if (flags & CQE_MORE) this.#results[number] = result;
    else this.#finish(number, result);
  };

  #finish(number: number, result: number): void {
    const operation = this.#operations[number];
    // A `close` inside another operation's `done` has cancelled it.
    if (!operation) return;
    this.#operations[number] = undefined;
    this.#freeNumbers.push(number);
    if (--this.underWay === 0 && !this.#closed) this.#watcher.unref();
    operation.done(result);
  }
}

/** Opcodes without and with a fixed buffer. */
const OPCODE = {
  write: [OP.write, OP.writeFixed],
  read: [OP.read, OP.readFixed],
  send: [OP.sendZc, OP.sendZc],
} as const;

function checkRange(name: string, value: number, most: number): void {
  if (Number.isInteger(value) && value >= 1 && value <= most) return;
  throw new MpiError('ERR_ARG', `${name} is ${value}; it must lie in 1..${most}`);
}
