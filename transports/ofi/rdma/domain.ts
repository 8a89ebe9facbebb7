/** The domain of libfabric's endpoint: memory that the provider registers, and that peers reach by a key. */
import { constants } from 'node:os';
import {
  type Access,
  Attachment,
  type Domain,
  type DomainPort,
  type Operation,
} from '../../../runtime/memory/domain.ts';
import type { OfiDevice } from '../device/endpoint.ts';
import type { OfiQueue } from '../device/queue.ts';

const { ECANCELED, EINVAL } = constants.errno;

export interface OfiOperation extends Operation {
  readonly kind: 'read' | 'write' | 'export';
  /** For read and write: the connection, where the bytes are at the peer, and the peer's key. */
  readonly queue?: OfiQueue | undefined;
  readonly remote?: number | undefined;
  readonly remoteKey?: number | undefined;
  /** For export: called before `post` returns; `done` is not called. */
  exported?(address: number, key: number): void;
}

export class OfiDomain implements Domain<OfiOperation> {
  readonly name = 'ofi';
  readonly #attachment: Attachment<OfiOperation>;

  /** The device stays its owner's: it is closed after the manager. */
  constructor(device: OfiDevice) {
    this.#attachment = new Attachment(new OfiPort(device));
  }

  attach(): DomainPort<OfiOperation> {
    return this.#attachment.take();
  }
}

/** libfabric says of no provider how many regions it has room for. */
const REGIONS_MAX = 65536;

class OfiPort implements DomainPort<OfiOperation> {
  readonly name = 'ofi';
  readonly regionsMax = REGIONS_MAX;
  readonly regionBytesMax = Number.MAX_SAFE_INTEGER;
  readonly plain = false;
  readonly deregisterWhilePosted = false;
  readonly #device: OfiDevice;

  constructor(device: OfiDevice) {
    this.#device = device;
  }

  register(address: number, length: number, access: Access): number {
    return this.#device.register(address, length, access);
  }

  deregister(key: number): number {
    return this.#device.deregister(key);
  }

  post(operation: OfiOperation, key: number, address: number, length: number): number {
    const { kind, queue, remote = 0, remoteKey = 0 } = operation;
    if (kind === 'export') {
      const place = this.#device.exported(key, address);
      if (place === null) return -EINVAL;
      operation.exported?.(place.remote, place.key);
      return 0;
    }
    if (queue === undefined) return -EINVAL;
    if (queue.closed) return -ECANCELED;
    return queue.rma(kind, key, address, length, remote, remoteKey, (result) =>
      operation.done(result),
    );
  }

  /** An export cannot be divided: the peer knows one address and one key. */
  piece(
    operation: OfiOperation,
    offset: number,
    _length: number,
    done: (result: number) => void,
  ): OfiOperation | undefined {
    const { kind, direction, queue, remote = 0, remoteKey } = operation;
    if (kind === 'export') return undefined;
    return { kind, direction, queue, remote: remote + offset, remoteKey, done };
  }

  /** The device does not belong to the port, so the port does not close it. */
  close(): void {}
}
