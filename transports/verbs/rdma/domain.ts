/**
 * The domain of an RDMA device. Its registrations are memory regions of the device's protection domain.
 * Unlike io_uring's fixed buffers a peer may use them too, by a key. Handing out that key ('export') is an
 * operation like READ and WRITE, so the manager looks before it, too (rule R2).
 */
import { constants } from 'node:os';
import {
  ACCESS,
  type Access,
  Attachment,
  type Domain,
  type DomainPort,
  type Operation,
} from '../../../runtime/memory/domain.ts';
import type { VerbsDevice } from '../device/device.ts';
import type { QueuePair } from '../device/queue-pair.ts';

const { ECANCELED, EINVAL, ENODEV } = constants.errno;

export interface VerbsOperation extends Operation {
  /**
   * 'read' and 'write': RDMA from and to the peer of `queue`. 'export': the peer gets to know where
   * the memory is, and under which key; it may use it until the lease ends, and could use it as long
   * as the registration is cached (docs/internals/verbs.md, What it trusts).
   */
  readonly kind: 'read' | 'write' | 'export';
  /** For read and write. */
  readonly queue?: QueuePair | undefined;
  /** Address at the peer, below 2^53, and the peer's key. */
  readonly remote?: number | undefined;
  readonly remoteKey?: number | undefined;
  /** For export: called before `post` returns; `done` is not called. */
  exported?(address: number, key: number): void;
}

type Done = (result: number) => void;

const nobody: Done = () => {};

/** RDMA READ from `remote` at the queue's peer into leased memory. */
export const verbsRead = (
  queue: QueuePair,
  remote: number,
  remoteKey: number,
  done: Done,
): VerbsOperation => ({ kind: 'read', direction: 'in', queue, remote, remoteKey, done });

/**
 * RDMA WRITE of leased memory to `remote` at the queue's peer. `done` says that the memory may be used
 * again. On RoCE and InfiniBand the bytes are at the peer by then; on iWARP (RFC 5040, 5.5) only what
 * follows on the same queue tells that: a packet that came, or the answer to a READ.
 */
export const verbsWrite = (
  queue: QueuePair,
  remote: number,
  remoteKey: number,
  done: Done,
): VerbsOperation => ({ kind: 'write', direction: 'out', queue, remote, remoteKey, done });

/** Tells address and key, for a peer that will write ('in') or read ('out') the leased memory. */
export const verbsExport = (
  direction: 'in' | 'out',
  exported: (address: number, key: number) => void,
): VerbsOperation => ({ kind: 'export', direction, exported, done: nobody });

export class VerbsDomain implements Domain<VerbsOperation> {
  readonly name = 'verbs';
  readonly #attachment: Attachment<VerbsOperation>;

  /** The device stays its owner's: it is closed after the manager. */
  constructor(device: VerbsDevice) {
    this.#attachment = new Attachment(new VerbsPort(device));
  }

  attach(): DomainPort<VerbsOperation> {
    return this.#attachment.take();
  }
}

class VerbsPort implements DomainPort<VerbsOperation> {
  readonly name = 'verbs';
  readonly regionsMax: number;
  readonly regionBytesMax: number;
  readonly plain = false;
  /** A device finds memory by its region while an operation is under way. */
  readonly deregisterWhilePosted = false;
  readonly #device: VerbsDevice;

  constructor(device: VerbsDevice) {
    this.#device = device;
    this.regionsMax = device.regionsMax;
    this.regionBytesMax = device.regionBytesMax;
  }

  register(address: number, length: number, access: Access): number {
    if (!this.#device.alive) return -ENODEV;
    return this.#device.register(address, length, this.#needed(access));
  }

  deregister(key: number): number {
    return this.#device.deregister(key);
  }

  post(operation: VerbsOperation, key: number, address: number, length: number): number {
    const { kind, queue } = operation;
    if (kind === 'export') return this.#export(operation, key, address);
    if (queue === undefined) return -EINVAL;
    if (queue.failed) return -ECANCELED;
    const { remote = 0, remoteKey = 0 } = operation;
    return queue.rdma(kind, key, address, length, remote, remoteKey, (result) =>
      operation.done(result),
    );
  }

  /** An export cannot be divided: the peer knows one address and one key. */
  piece(
    operation: VerbsOperation,
    offset: number,
    _length: number,
    done: Done,
  ): VerbsOperation | undefined {
    const { kind, direction, queue, remote = 0, remoteKey } = operation;
    if (kind === 'export') return undefined;
    return { kind, direction, queue, remote: remote + offset, remoteKey, done };
  }

  /** The device does not belong to the port, so the port does not close it. */
  close(): void {}

  #export(operation: VerbsOperation, key: number, address: number): number {
    const remoteKey = this.#device.rkeyOf(key);
    if (remoteKey < 0) return remoteKey;
    operation.exported?.(address, remoteKey);
    return 0;
  }

  /** On iWARP the answer to a READ comes as a write of the peer's. */
  #needed(access: Access): Access {
    const sink = this.#device.link === 'iwarp' && (access & ACCESS.localWrite) !== 0;
    return sink ? access | ACCESS.remoteWrite : access;
  }
}
