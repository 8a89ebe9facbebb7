/**
 * RDMA on the program's memory. Every READ and WRITE, and every key that a peer gets, goes through the
 * pinned-memory manager, which checks that the memory is still the memory that was registered.
 */
import { constants } from 'node:os';
import { part } from '../../runtime/base/bytes.ts';
import { MpiError } from '../../runtime/base/error.ts';
import { Queue } from '../../runtime/base/queue.ts';
import type { Done, Hold, Purpose, RemoteAccess } from '../transport.ts';
import { ACCESS_KEY, ACCESS_NONE } from '../transport.ts';
import type { LeasedMemory, MemoryOperation, PacketQueue } from './ports.ts';
import { LEASE } from './ports.ts';

/** Longest range that is exported, read or written at once. The next range is registered meanwhile. */
export const SEGMENT_BYTES = 2 * 2 ** 20;
/** RDMA operations of a connection under way at one time; others wait. */
export const OPERATIONS_MAX = 8;

const TWO_32 = 2 ** 32;
const { EAGAIN, ECANCELED, ENOBUFS, ENOMEM } = constants.errno;
const nobody = () => {};

/** What the operations of all connections share. */
export interface MemoryRoom {
  /** Operations under way, of this rank's and of peers on what is exported to them. */
  moving: number;
  /** null: no manager yet. */
  readonly leases: LeasedMemory | null;
  /** An operation has ended; told from the next poll. */
  finished(operation: RdmaOperation): void;
  /** An operation waits for room; {@link OneSided.proceed} is called from each poll. */
  waiting(operations: OneSided): void;
}

/** A READ or WRITE, from its request until its end is told. */
export class RdmaOperation implements MemoryOperation {
  readonly kind: 'read' | 'write';
  readonly queue: PacketQueue;
  readonly remote: number;
  readonly remoteKey: number;
  /** How it ended; null: well. */
  error: MpiError | null = null;
  readonly #owner: OneSided;
  readonly #lease: Hold;
  readonly #length: number;
  readonly #done: Done;

  constructor(
    owner: OneSided,
    kind: 'read' | 'write',
    remote: number,
    remoteKey: number,
    lease: Hold,
    length: number,
    done: Done,
  ) {
    this.#owner = owner;
    this.kind = kind;
    this.queue = owner.queue;
    this.remote = remote;
    this.remoteKey = remoteKey;
    this.#lease = lease;
    this.#length = length;
    this.#done = done;
  }

  get direction(): 'in' | 'out' {
    return this.kind === 'read' ? 'in' : 'out';
  }

  /** A value >= 0 where it is under way. @throws MpiError as the manager does */
  post(leases: LeasedMemory): number {
    return leases.post(this, this.#lease);
  }

  done(result: number): void {
    if (result !== this.#length) this.error = this.#owner.failure(this.kind, result);
    this.#owner.ended(this);
  }

  release(): void {
    this.#lease.release();
  }

  /** Tells how it ended, and releases the memory. */
  tell(): void {
    this.release();
    this.#done(this.error);
  }
}

export class OneSided {
  queue: PacketQueue;
  readonly #peer: number;
  readonly #room: MemoryRoom;
  readonly #open = new Set<RdmaOperation>();
  readonly #waiting = new Queue<RdmaOperation>();
  /** Why the connection is broken, as far as it is known. */
  cause: Error | null = null;
  #underWay = 0;
  #closed: Error | null = null;

  constructor(peer: number, queue: PacketQueue, room: MemoryRoom) {
    this.#peer = peer;
    this.queue = queue;
    this.#room = room;
  }

  /** Whether a READ or WRITE of ours is under way. */
  get busy(): boolean {
    return this.#underWay > 0;
  }

  exportMemory(
    bytes: Uint8Array,
    offset: number,
    length: number,
    purpose: Purpose,
    access: RemoteAccess,
  ): boolean {
    access.kind = ACCESS_NONE;
    const { leases } = this.#room;
    if (leases === null || length === 0 || this.#closed !== null) return false;
    const pull = purpose === 'pull';
    let lease: Hold | null = null;
    try {
      const view = part(bytes, offset, offset + length);
      lease = leases.acquire(view, pull ? LEASE.remoteRead : LEASE.localWrite | LEASE.remoteWrite);
      const answer = leases.post(
        {
          kind: 'export',
          direction: pull ? 'out' : 'in',
          exported(address, remoteKey) {
            access.kind = ACCESS_KEY;
            access.low = (address % TWO_32) | 0;
            access.high = Math.floor(address / TWO_32);
            access.key = remoteKey | 0;
          },
          done: nobody,
        },
        lease,
      );
      if (answer >= 0 && (access.kind as number) === ACCESS_KEY) {
        access.hold = lease;
        this.#room.moving += 1;
        return true;
      }
    } catch (error) {
      if (!(error instanceof MpiError)) throw error;
    }
    lease?.release();
    access.kind = ACCESS_NONE;
    return false;
  }

  revoke(access: RemoteAccess): void {
    access.kind = ACCESS_NONE;
    const { hold } = access;
    access.hold = null;
    if (hold === null) return;
    this.#room.moving -= 1;
    hold.release();
  }

  /** A pull (READ) or push (WRITE); false: under way. @throws MpiError where nothing was begun */
  move(
    kind: 'read' | 'write',
    access: RemoteAccess,
    at: number,
    bytes: Uint8Array,
    offset: number,
    length: number,
    done: Done,
  ): boolean {
    const remote = this.#placeOf(access, at);
    const { leases } = this.#room;
    if (this.#closed !== null) throw this.failure(kind, -ECANCELED);
    if (leases === null)
      throw new MpiError('ERR_UNSUPPORTED', 'no memory can be registered: there is no manager');
    if (length === 0) return true;
    const view = part(bytes, offset, offset + length);
    const lease = leases.acquire(view, kind === 'read' ? LEASE.localWrite : LEASE.localRead);
    const operation = new RdmaOperation(this, kind, remote, access.key >>> 0, lease, length, done);
    try {
      this.#begin(operation, leases);
    } catch (error) {
      operation.release();
      throw error;
    }
    this.#open.add(operation);
    return false;
  }

  /** Posts it, or keeps it until there is room. */
  #begin(operation: RdmaOperation, leases: LeasedMemory): void {
    if (this.#underWay < OPERATIONS_MAX && this.#waiting.length === 0) {
      const answer = operation.post(leases);
      if (answer >= 0) {
        this.#begun();
        return;
      }
      if (answer !== -EAGAIN) throw this.failure(operation.kind, answer);
    }
    this.#waiting.push(operation);
    this.#room.waiting(this);
  }

  /**
   * Posts operations that wait for room.
   * @returns whether none waits any more
   */
  proceed(): boolean {
    const { leases } = this.#room;
    while (this.#waiting.length > 0 && this.#underWay < OPERATIONS_MAX && leases !== null) {
      const operation = this.#waiting.first as RdmaOperation;
      let answer: number;
      try {
        answer = operation.post(leases);
      } catch (error) {
        if (!(error instanceof MpiError)) throw error;
        this.#waiting.shift();
        this.#end(operation, error);
        continue;
      }
      if (answer === -EAGAIN) return false;
      this.#waiting.shift();
      if (answer >= 0) this.#begun();
      else this.#end(operation, this.failure(operation.kind, answer));
    }
    return this.#waiting.length === 0;
  }

  #begun(): void {
    this.#underWay += 1;
    this.#room.moving += 1;
  }

  /** An operation under way has ended, from within the device's poll. */
  ended(operation: RdmaOperation): void {
    this.#underWay -= 1;
    this.#room.moving -= 1;
    if (this.#open.delete(operation)) this.#room.finished(operation);
  }

  #end(operation: RdmaOperation, error: MpiError): void {
    operation.error = error;
    this.#open.delete(operation);
    this.#room.finished(operation);
  }

  /** The connection is closed: operations that have not ended yet end now. */
  close(error: Error): void {
    if (this.#closed !== null) return;
    this.#closed = error;
    const failed = error instanceof MpiError ? error : this.failure('read', -ECANCELED);
    this.#waiting.takeAll();
    for (const operation of [...this.#open]) this.#end(operation, failed);
  }

  failure(kind: 'read' | 'write', answer: number): MpiError {
    const errno = answer < 0 ? -answer : 0;
    const lack = errno === ENOBUFS || errno === ENOMEM;
    const verb = kind === 'read' ? 'READ from' : 'WRITE to';
    const why = lack
      ? 'no memory can be registered for it'
      : 'that rank has ended, or its program has taken the buffer away (transfer, resize)';
    const details = { peer: this.#peer, ...(errno > 0 && { errno }) };
    const cause = this.cause === null ? '' : ` (${this.cause.message})`;
    const code = lack ? 'ERR_NO_MEM' : 'ERR_PEER_FAILED';
    return new MpiError(code, `RDMA ${verb} rank ${this.#peer} failed${cause}; ${why}`, details);
  }

  #placeOf({ kind, low, high }: RemoteAccess, at: number): number {
    const address = (low >>> 0) + high * TWO_32 + at;
    if (kind === ACCESS_KEY && address >= 0 && Number.isSafeInteger(address)) return address;
    throw new MpiError(
      'ERR_PROTOCOL',
      `rank ${this.#peer} exports memory by access ${kind} at ${address}, which RDMA does not have: let all ranks run the same version of dreg-mpi`,
      { peer: this.#peer },
    );
  }
}
