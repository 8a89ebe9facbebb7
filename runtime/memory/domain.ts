/**
 * A domain registers memory with a device that moves bytes by itself: an io_uring with its table of fixed
 * buffers, or a protection domain of an RDMA device.
 *
 * Only runtime/memory/ sees keys, which name registrations (the index of a fixed buffer, the place of an
 * lkey and rkey). So a {@link Domain} has nothing but `attach`, which answers once. The manager that took
 * the {@link DomainPort} is from then on the only one that registers and posts (rule R2).
 */

import { MpiError } from '../base/error.ts';

/** What an operation may do with the memory. These are bits, with libibverbs' numbers (ibv_reg_mr(3)). */
export const ACCESS = {
  /** Bytes leave the memory by an operation of this process. */
  localRead: 0,
  /** Bytes come into the memory by an operation of this process. */
  localWrite: 1,
  /** A peer writes into the memory. */
  remoteWrite: 2,
  /** A peer reads the memory. */
  remoteRead: 4,
} as const;

/** A sum of {@link ACCESS} bits. */
export type Access = number;

/** One operation on leased memory. Each domain adds what it needs, such as an opcode and a descriptor. */
export interface Operation {
  /** With 'out' bytes leave the leased memory, with 'in' bytes come into it. */
  readonly direction: 'out' | 'in';
  /**
   * Called once, after `post` has answered >= 0.
   * @param result bytes that were moved, or a negative errno
   * @throws what the program likes: other operations get their `done` all the same
   */
  done(result: number): void;
}

/** A key that names no registration: posts without one, where `plain` says that the domain can. */
export const NO_KEY = -1;

/** A domain as its one manager sees it. */
export interface DomainPort<O extends Operation = Operation> {
  readonly name: string;
  /** Registrations at one time, at most. */
  readonly regionsMax: number;
  /** Bytes that one registration can have. */
  readonly regionBytesMax: number;
  /** Whether `post` with {@link NO_KEY} works: slower, but it names no registration. */
  readonly plain: boolean;
  /**
   * Whether a posted operation survives when its key is deregistered before it completes. io_uring holds
   * the buffer until then; RDMA hardware does not.
   */
  readonly deregisterWhilePosted: boolean;

  /**
   * Pins and registers [address, address + length), page-aligned.
   * @returns a key >= 0, or a negative errno: ENOMEM, ENOSPC, EAGAIN, EMFILE, EDQUOT where a resource is
   *   used up (evicting may help); EFAULT where there is no such memory, or none of this access; others as
   *   the kernel says
   */
  register(address: number, length: number, access: Access): number;

  /** 0 or a negative errno. */
  deregister(key: number): number;

  /**
   * Posts one operation on [address, address + length), which lies inside the registration.
   * @returns a value >= 0 where it is posted: `operation.done` will be called. A negative errno where it is
   *   not: EAGAIN where the queue is full
   */
  post(operation: O, key: number, address: number, length: number): number;

  /**
   * The part [offset, offset + length) of an operation, as an operation of its own. It calls `done` in
   * place of the whole's. Undefined where the operation cannot be divided.
   */
  piece(
    operation: O,
    offset: number,
    length: number,
    done: (result: number) => void,
  ): O | undefined;

  /** Gives everything back. The manager has deregistered all keys. */
  close(): void;
}

/** What registers memory, as programs see it. How operations complete (poll, wake) is the domain's own matter. */
export interface Domain<O extends Operation = Operation> {
  /** Its name, for messages and counters. */
  readonly name: string;
  /**
   * Gives the port, by which a manager registers and posts. Managers call this.
   * @throws MpiError ERR_ARG the second time: a domain has one manager
   */
  attach(): DomainPort<O>;
}

/** Gives a domain's port, once. */
export class Attachment<O extends Operation> {
  readonly #port: DomainPort<O>;
  #attached = false;

  constructor(port: DomainPort<O>) {
    this.#port = port;
  }

  /** @throws MpiError ERR_ARG the second time */
  take(): DomainPort<O> {
    if (this.#attached)
      throw new MpiError(
        'ERR_ARG',
        'this domain has a manager already: make a domain for each manager',
      );
    this.#attached = true;
    return this.#port;
  }
}
