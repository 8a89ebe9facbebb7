/** The connection manager's end at this rank: where it listens, and the connections that begin and end. */
import { networkInterfaces } from 'node:os';
import { CM, CM_DATA_BYTES, CM_EVENT, type RdmacmAddon, rdmacm } from '../../../native/rdmacm.ts';
import { check, MpiError } from '../../../runtime/base/error.ts';

/** Calls of peers that can wait for an answer. Further calls are refused, and the peers call again. */
export const LISTEN_BACKLOG = 1024;
/** Milliseconds within which the route to a peer must be found. */
export const RESOLVE_MS = 2000;

/** An address of IPv4 or IPv6, and a port of TCP's. */
export interface IpAddress {
  ip: string;
  port: number;
}

export interface ConnectionEvent {
  kind: 'address' | 'route' | 'request' | 'established' | 'ended' | 'failed' | 'other';
  /** The end that the event is about; of a call a new end. */
  end: number;
  /** Why it failed; 0 where nobody says. */
  errno: number;
  /** Data that the peer sent with a call or an answer. Valid until the next event. */
  data: Uint8Array;
}

/** RDMA READs under way at one time, from us and from the peer. */
export interface Reads {
  readonly out: number;
  readonly in: number;
}

/**
 * What a handshake needs of the connection manager, which {@link ConnectionManager} has. Numbers < 0 are
 * negative errnos.
 */
export interface Connections {
  readonly own: IpAddress;
  /** Readable when `next` has something. */
  readonly fd: number;
  next(): ConnectionEvent | null;
  /** A new end, for a connection to a peer. The event 'address' or 'failed' says how it went. */
  resolve(to: IpAddress): number;
  route(end: number): number;
  connect(end: number, queueNumber: number, data: Uint8Array): number;
  accept(end: number, queueNumber: number, data: Uint8Array): number;
  reject(end: number): void;
  destroy(end: number): void;
  close(): void;
}

const KINDS = new Map<number, ConnectionEvent['kind']>([
  [CM.addressResolved, 'address'],
  [CM.routeResolved, 'route'],
  [CM.request, 'request'],
  [CM.established, 'established'],
  [CM.disconnected, 'ended'],
  [CM.deviceRemoval, 'ended'],
  [CM.addressError, 'failed'],
  [CM.routeError, 'failed'],
  [CM.connectError, 'failed'],
  [CM.unreachable, 'failed'],
  [CM.rejected, 'failed'],
]);

export class ConnectionManager implements Connections {
  readonly own: IpAddress;
  readonly fd: number;
  readonly #device: string;
  readonly #reads: Reads;
  readonly #native: RdmacmAddon = rdmacm();
  readonly #channel: number;
  readonly #event = new Int32Array(CM_EVENT.words);
  readonly #data = new Uint8Array(CM_DATA_BYTES);
  #closed = false;

  /**
   * Listens at an address of the device's network.
   * @throws MpiError ERR_UNSUPPORTED (no librdmacm, no address: says which), ERR_SYSTEM
   */
  constructor(device: string, reads: Reads) {
    const missing = this.#native.rdmacmLoad();
    if (missing !== '') throw new MpiError('ERR_UNSUPPORTED', missing);
    this.#device = device;
    this.#reads = reads;
    this.#channel = check(
      this.#native.rdmacmOpen(),
      'rdma_create_event_channel',
      `${device}: is the kernel's module rdma_ucm loaded?`,
    );
    this.fd = this.#native.rdmacmFd(this.#channel);
    try {
      this.own = this.#listen(addressesOfMachine());
    } catch (error) {
      this.close();
      throw error;
    }
  }

  next(): ConnectionEvent | null {
    if (this.#closed) return null;
    const event = this.#event;
    const answer = this.#native.rdmacmNext(this.#channel, event, this.#data);
    if (check(answer, 'rdma_get_cm_event', this.#device) === 0) return null;
    const status = event[CM_EVENT.status];
    return {
      kind: KINDS.get(event[CM_EVENT.type]) ?? 'other',
      end: event[CM_EVENT.end],
      // A number that is not negative is a reason of the peer's.
      errno: status < 0 ? -status : 0,
      data: this.#data.subarray(0, event[CM_EVENT.dataBytes]),
    };
  }

  resolve(to: IpAddress): number {
    return this.#native.rdmacmResolve(this.#channel, this.own.ip, to.ip, to.port, RESOLVE_MS);
  }

  route(end: number): number {
    return this.#native.rdmacmRoute(this.#channel, end, RESOLVE_MS);
  }

  connect(end: number, queueNumber: number, data: Uint8Array): number {
    const { out, in: incoming } = this.#reads;
    return this.#native.rdmacmConnect(
      this.#channel,
      end,
      queueNumber,
      out,
      incoming,
      data,
      data.length,
    );
  }

  accept(end: number, queueNumber: number, data: Uint8Array): number {
    const { out, in: incoming } = this.#reads;
    return this.#native.rdmacmAccept(
      this.#channel,
      end,
      queueNumber,
      out,
      incoming,
      data,
      data.length,
    );
  }

  reject(end: number): void {
    this.#native.rdmacmReject(this.#channel, end);
  }

  destroy(end: number): void {
    this.#native.rdmacmDestroy(this.#channel, end);
  }

  /** Ends all connections. Their queue pairs have to be closed before. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#native.rdmacmClose(this.#channel);
  }

  /**
   * The kernel knows which address belongs to the device: it says of each address to which device it
   * belongs.
   */
  #listen(addresses: string[]): IpAddress {
    for (const ip of addresses) {
      const made = this.#native.rdmacmListen(this.#channel, ip, LISTEN_BACKLOG);
      if (typeof made === 'number') continue;
      const [end, port, device] = made;
      if (device === this.#device) return { ip, port };
      this.destroy(end);
    }
    throw new MpiError(
      'ERR_UNSUPPORTED',
      `${this.#device} has no IP address that connections can be made to; this machine has: ${addresses.join(', ') || 'none'}`,
    );
  }
}

/** Addresses of the loopback device are left out, because other machines do not come through them. */
function addressesOfMachine(): string[] {
  return Object.values(networkInterfaces()).flatMap((entries = []) =>
    entries
      .filter((entry) => !entry.internal && !/^fe80:/i.test(entry.address))
      .map((entry) => entry.address),
  );
}
