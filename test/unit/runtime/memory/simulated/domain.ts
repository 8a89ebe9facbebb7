/**
 * A simulated domain. A registration remembers the generations of its pages; an operation posted
 * on one whose pages are others now is a stale use: what the whole manager exists to prevent.
 */
import { constants } from 'node:os';
import { MpiError } from '../../../../../runtime/base/error.ts';
import {
  type Access,
  type Domain,
  type DomainPort,
  NO_KEY,
  type Operation,
} from '../../../../../runtime/memory/domain.ts';
import type { AddressSpace } from './space.ts';
import { PAGE } from './space.ts';

const { EAGAIN, EFAULT, EINVAL, ENOMEM, ENOSPC } = constants.errno;

interface Registration {
  start: number;
  end: number;
  access: Access;
  generations: number[];
  /** Operations under way on it. */
  posted: number;
}

/** Moves bytes between leased memory and `wire`. */
export interface SimulatedOperation extends Operation {
  /** 'out' writes there, 'in' reads from there. */
  wire?: Uint8Array;
  indivisible?: boolean;
}

export interface SimulatedDomainOptions {
  regionsMax?: number;
  regionBytesMax?: number;
  plain?: boolean;
  deregisterWhilePosted?: boolean;
  /** Bytes that the kernel lets it pin. */
  pinLimit?: number;
  /** Operations complete when `complete` is called, in place of at once. */
  deferred?: boolean;
}

export class SimulatedDomain implements Domain<SimulatedOperation> {
  readonly name = 'simulated';
  /** Uses of stale registrations. */
  stale = 0;
  posts = 0;
  plainPosts = 0;
  registered = 0;
  pinned = 0;
  closed = false;
  /** What happens to the next registrations: each negative number is answered once. */
  readonly failures: number[] = [];
  /** The same for the next deregistrations. */
  readonly deregisterFailures: number[] = [];
  /** The same for the next posts. */
  readonly postFailures: number[] = [];
  /** Called inside `register`, before the pages are looked up. */
  onRegister: ((start: number, end: number) => void) | undefined;
  pinLimit: number;
  readonly #space: AddressSpace;
  readonly #options: SimulatedDomainOptions;
  readonly #registrations = new Map<number, Registration>();
  readonly #underWay: (() => void)[] = [];
  #nextKey = 0;
  #attached = false;

  constructor(space: AddressSpace, options: SimulatedDomainOptions = {}) {
    this.#space = space;
    this.#options = options;
    this.pinLimit = options.pinLimit ?? Infinity;
  }

  get registrations(): { start: number; end: number; access: Access }[] {
    return [...this.#registrations.values()];
  }

  attach(): DomainPort<SimulatedOperation> {
    if (this.#attached) throw new MpiError('ERR_ARG', 'the domain has its manager already');
    this.#attached = true;
    const { regionsMax, regionBytesMax, plain, deregisterWhilePosted } = this.#options;
    return {
      name: this.name,
      regionsMax: regionsMax ?? 2 ** 20,
      regionBytesMax: regionBytesMax ?? 2 ** 30,
      plain: plain ?? true,
      deregisterWhilePosted: deregisterWhilePosted ?? false,
      register: (address, length, access) => this.#register(address, length, access),
      deregister: (key) => this.#deregister(key),
      post: (operation, key, address, length) => this.#post(operation, key, address, length),
      piece: (operation, offset, length, done) => piece(operation, offset, length, done),
      close: () => {
        this.closed = true;
      },
    };
  }

  /** Completes what is under way, and what that leads to. */
  complete(): void {
    for (let next = this.#underWay.shift(); next; next = this.#underWay.shift()) next();
  }

  #register(address: number, length: number, access: Access): number {
    const failure = this.failures.shift();
    if (failure !== undefined && failure < 0) return failure;
    this.onRegister?.(address, address + length);
    if (address % PAGE || length % PAGE || length <= 0) return -EINVAL;
    if (this.#registrations.size >= (this.#options.regionsMax ?? Infinity)) return -ENOSPC;
    if (this.pinned + length > this.pinLimit) return -ENOMEM;
    const generations = this.#space.generations(address, address + length);
    if (!generations) return -EFAULT;
    const key = this.#nextKey++;
    this.#registrations.set(key, {
      start: address,
      end: address + length,
      access,
      generations,
      posted: 0,
    });
    this.pinned += length;
    this.registered += 1;
    return key;
  }

  #deregister(key: number): number {
    const failure = this.deregisterFailures.shift();
    if (failure !== undefined && failure < 0) return failure;
    const registration = this.#registrations.get(key);
    if (!registration) throw new Error(`key ${key} is not registered`);
    if (registration.posted > 0 && !this.#options.deregisterWhilePosted)
      throw new Error(`key ${key} is deregistered under an operation`);
    this.#registrations.delete(key);
    this.pinned -= registration.end - registration.start;
    return 0;
  }

  /** Whether the pages of an operation are those that were registered. */
  #current({ start, generations }: Registration, address: number, length: number): boolean {
    const first = Math.floor((address - start) / PAGE);
    const last = Math.floor((address + length - 1 - start) / PAGE);
    const now = this.#space.generations(start + first * PAGE, start + (last + 1) * PAGE);
    return now?.every((generation, i) => generation === generations[first + i]) ?? false;
  }

  #post(operation: SimulatedOperation, key: number, address: number, length: number): number {
    const failure = this.postFailures.shift();
    if (failure !== undefined && failure < 0) return failure;
    const registration = key === NO_KEY ? undefined : this.#registrations.get(key);
    if (registration) {
      this.posts += 1;
      if (address < registration.start || address + length > registration.end)
        throw new Error('an operation outside of its registration');
      if (operation.direction === 'in' && (registration.access & 1) === 0)
        throw new Error('bytes come into memory registered for reading');
      if (!this.#current(registration, address, length)) this.stale += 1;
      registration.posted += 1;
    } else {
      if (key !== NO_KEY) throw new Error(`an operation on key ${key}, which is not registered`);
      this.plainPosts += 1;
    }
    const finish = () => {
      if (registration) registration.posted -= 1;
      const bytes = this.#space.bytesAt(address, length);
      if (operation.wire && bytes) {
        if (operation.direction === 'out') operation.wire.set(bytes);
        else bytes.set(operation.wire.subarray(0, length));
      }
      operation.done(length);
    };
    if (this.#options.deferred) this.#underWay.push(finish);
    else queueMicrotask(finish);
    return 0;
  }
}

function piece(
  operation: SimulatedOperation,
  offset: number,
  length: number,
  done: (result: number) => void,
): SimulatedOperation | undefined {
  if (operation.indivisible) return undefined;
  const { direction, wire } = operation;
  return { direction, done, ...(wire && { wire: wire.subarray(offset, offset + length) }) };
}

export { EAGAIN, EFAULT, ENOMEM, ENOSPC };
