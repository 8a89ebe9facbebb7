/**
 * verbs.cc: libibverbs, loaded at run time, and the layout of the memory through which work requests
 * and completions pass. A device and what belongs to it are named by small numbers, each checked
 * where it is used; one that names nothing is answered with -EBADF.
 */
import { addon } from './addon.ts';

export interface VerbsAddon {
  /** '' where libibverbs is loaded (it is at the first call); else what is missing. */
  verbsLoad(): string;
  /** Devices that the library knows, and their `transport_type`. */
  verbsDevices(): { name: string; transport: number }[] | number;
  /** Opens a device with a protection domain, a completion channel and a queue of `entries` completions. */
  verbsOpen(name: string, entries: number): number;
  verbsClose(device: number): number;
  /** What the device can do, by {@link LIMIT}. */
  verbsLimits(device: number, limits: Float64Array): number;
  /** A port, by {@link PORT}. */
  verbsPort(device: number, port: number, state: Int32Array): number;
  /** The memory of {@link MAILBOX}. */
  verbsMailbox(device: number): ArrayBuffer | number;
  verbsWakeFd(device: number): number;
  verbsAsyncFd(device: number): number;

  /** Reserves memory of which parts are registered later: [its number, the memory]. */
  verbsArea(device: number, bytes: number): [number, ArrayBuffer] | number;
  /** Registers a part of an area for sends and receives of this process. */
  verbsAreaRegister(device: number, area: number, offset: number, length: number): number;
  verbsAreaClose(device: number, area: number): number;

  /** Makes the shared receive queue, whose slots lie in `area`. */
  verbsReceiveQueue(device: number, area: number, slotBytes: number, slots: number): number;
  /** Posts the slots that `MAILBOX.receives` names. 0 or a negative errno. */
  verbsPostReceives(device: number): number;

  /** Makes a queue pair of {@link QUEUE_KIND}; what it got is in `got`, by {@link QUEUE}. */
  verbsQueue(
    device: number,
    kind: number,
    sendDepth: number,
    receiveDepth: number,
    inlineBytes: number,
    tag: number,
    got: Int32Array,
  ): number;
  /** ibv_modify_qp: attributes by {@link ATTRIBUTE}, `mask` of {@link MASK}. */
  verbsModify(
    device: number,
    queue: number,
    mask: number,
    attributes: Int32Array,
    gid: Uint8Array,
  ): number;
  verbsQueueClose(device: number, queue: number): number;
  /** Completions that the device's queue has room for, from now on at least. */
  verbsResize(device: number, entries: number): number;
  /** Posts a receive of its own for a datagram queue. */
  verbsPostDatagramReceive(
    device: number,
    queue: number,
    area: number,
    offset: number,
    length: number,
    idLow: number,
    idHigh: number,
  ): number;
  /** Makes an address handle of {@link ATTRIBUTE} and `gid`. */
  verbsAddress(device: number, attributes: Int32Array, gid: Uint8Array): number;
  verbsAddressClose(device: number, address: number): number;

  /** Posts the work request in `MAILBOX.request`. 0 or a negative errno. */
  verbsPost(device: number, queue: number): number;
  /**
   * Posts the receives that wait, then takes completions into `MAILBOX.completions`: how many. Looks
   * for some up to `looks` times.
   */
  verbsPoll(device: number, looks: number): number;
  verbsArm(device: number): number;
  verbsDisarm(device: number): number;
  /** Takes one asynchronous event into `event` ([type, tag of the queue or -1]): 1; 0: there is none. */
  verbsEvent(device: number, event: Int32Array): number;

  verbsRegister(device: number, address: number, length: number, access: number): number;
  verbsDeregister(device: number, region: number): number;
  /** The name under which a peer reaches a region (rkey). */
  verbsRemoteKey(device: number, region: number): number;
}

export const verbs = (): VerbsAddon => addon() as unknown as VerbsAddon;

/** Places in `verbsLimits`. */
export const LIMIT = {
  regions: 0,
  regionBytes: 1,
  queues: 2,
  sendDepth: 3,
  completions: 4,
  receives: 5,
  readsOut: 6,
  readsIn: 7,
  relaxedOrdering: 8,
  ports: 9,
  words: 10,
} as const;

/** Places in `verbsPort`. */
export const PORT = { state: 0, mtu: 1, lid: 2, linkLayer: 3, messageBytes: 4, words: 5 } as const;
export const PORT_ACTIVE = 4;
export const LINK_LAYER_ETHERNET = 2;
/** enum ibv_transport_type. */
export const TRANSPORT_IWARP = 1;

/** Bytes of the mapped memory, and where its parts begin in it. */
export const MAILBOX = {
  bytes: 8192,
  request: 0,
  completions: 256,
  receiveCount: 4096,
  receives: 4100,
} as const;
/** Completions that one poll takes at most, and the words of each. */
export const COMPLETIONS = 64;
export const COMPLETION_WORDS = 8;
/** Receives that can wait to be posted. */
export const RECEIVES = 512;

/** Places of a work request, in doubles. */
export const REQUEST = {
  opcode: 0,
  flags: 1,
  idLow: 2,
  idHigh: 3,
  /** An area's number, or -1 where `region` and an address are given. */
  area: 4,
  region: 5,
  /** In the area, or an address in the region. */
  offset: 6,
  length: 7,
  remote: 8,
  remoteKey: 9,
  address: 10,
  remoteQueue: 11,
  remoteQkey: 12,
  words: 16,
} as const;

/** Places of a completion, in 32-bit words. */
export const COMPLETION = {
  idLow: 0,
  idHigh: 1,
  status: 2,
  opcode: 3,
  bytes: 4,
  queueNumber: 5,
  sourceQueue: 6,
  vendor: 7,
} as const;

/** enum ibv_wr_opcode and enum ibv_send_flags. */
export const WORK = { write: 0, send: 2, read: 4 } as const;
export const FLAG = { fence: 1, signaled: 2, solicited: 4, inline: 8 } as const;

export const QUEUE_KIND = { connected: 0, datagram: 1 } as const;
/** Places in what `verbsQueue` answers. */
export const QUEUE = { number: 0, sendDepth: 1, inlineBytes: 2, words: 3 } as const;

/** Places of a queue pair's and an address's attributes. */
export const ATTRIBUTE = {
  state: 0,
  access: 1,
  port: 2,
  qkey: 3,
  mtu: 4,
  timeout: 5,
  retries: 6,
  rnrRetries: 7,
  receivePsn: 8,
  sendPsn: 9,
  readsOut: 10,
  readsIn: 11,
  rnrTimer: 12,
  remoteQueue: 13,
  lid: 14,
  global: 15,
  gidIndex: 16,
  hopLimit: 17,
  serviceLevel: 18,
  trafficClass: 19,
  words: 20,
} as const;

/** enum ibv_qp_attr_mask. */
export const MASK = {
  state: 1,
  access: 1 << 3,
  pkeyIndex: 1 << 4,
  port: 1 << 5,
  qkey: 1 << 6,
  path: 1 << 7,
  mtu: 1 << 8,
  timeout: 1 << 9,
  retries: 1 << 10,
  rnrRetries: 1 << 11,
  receivePsn: 1 << 12,
  readsOut: 1 << 13,
  rnrTimer: 1 << 15,
  sendPsn: 1 << 16,
  readsIn: 1 << 17,
  remoteQueue: 1 << 20,
} as const;

/** enum ibv_qp_state. */
export const STATE = { reset: 0, init: 1, receiving: 2, sending: 3, error: 6 } as const;

/** enum ibv_access_flags, beyond ACCESS of runtime/memory. */
export const RELAXED_ORDERING = 1 << 20;

/** enum ibv_event_type, as far as it is told apart. */
export const EVENT = {
  completionQueueError: 0,
  queueFatal: 1,
  queueRequestError: 2,
  queueAccessError: 3,
  pathMigrationError: 7,
  deviceFatal: 8,
  portActive: 9,
  portError: 10,
  receiveQueueError: 14,
} as const;
