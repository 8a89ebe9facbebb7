/**
 * rdmacm.cc: librdmacm, loaded at run time. A channel of events and the ends of connections that
 * report to it are named by small numbers, each checked where it is used. libibverbs comes first:
 * `verbsLoad` must have answered ''.
 */
import { addon } from './addon.ts';

export interface RdmacmAddon {
  /** '' where librdmacm is loaded (it is at the first call); else what is missing. */
  rdmacmLoad(): string;
  /** A channel, whose events are taken by {@link rdmacmNext}. */
  rdmacmOpen(): number;
  /** Closes a channel and its ends. Queue pairs in use there are closed before. */
  rdmacmClose(channel: number): number;
  /** Readable when there are events. */
  rdmacmFd(channel: number): number;
  /** Listens at an address of this machine: the end, the port, and the RDMA device it is of. */
  rdmacmListen(
    channel: number,
    address: string,
    backlog: number,
  ): [end: number, port: number, device: string] | number;
  /** A new end, on the way from an address of ours to one of a peer; told by an event. */
  rdmacmResolve(
    channel: number,
    from: string,
    to: string,
    port: number,
    milliseconds: number,
  ): number;
  rdmacmRoute(channel: number, end: number, milliseconds: number): number;
  /**
   * Connects a queue pair, by its number at the device. Of software devices the call returns when TCP
   * has connected. `readsOut` and `readsIn`: RDMA READs under way at one time, from us and from the peer.
   */
  rdmacmConnect(
    channel: number,
    end: number,
    queueNumber: number,
    readsOut: number,
    readsIn: number,
    data: Uint8Array,
    bytes: number,
  ): number;
  rdmacmAccept(
    channel: number,
    end: number,
    queueNumber: number,
    readsOut: number,
    readsIn: number,
    data: Uint8Array,
    bytes: number,
  ): number;
  /** Refuses a request; its end is there until it is destroyed. */
  rdmacmReject(channel: number, end: number): number;
  /** Gives an end back, and with it its connection. Waits for a queue pair that is being connected. */
  rdmacmDestroy(channel: number, end: number): number;
  /** Takes one event, by {@link CM_EVENT}, and its private data: 1; 0: there is none. */
  rdmacmNext(channel: number, event: Int32Array, data: Uint8Array): number;
}

export const rdmacm = (): RdmacmAddon => addon() as unknown as RdmacmAddon;

/** Places of an event. `end` of a request is a new one, `listener` the one it came to. */
export const CM_EVENT = {
  type: 0,
  end: 1,
  listener: 2,
  status: 3,
  dataBytes: 4,
  words: 5,
} as const;
/** Room that an event's private data needs. */
export const CM_DATA_BYTES = 255;

/** enum rdma_cm_event_type. */
export const CM = {
  addressResolved: 0,
  addressError: 1,
  routeResolved: 2,
  routeError: 3,
  request: 4,
  connectError: 6,
  unreachable: 7,
  rejected: 8,
  established: 9,
  disconnected: 10,
  deviceRemoval: 11,
} as const;
