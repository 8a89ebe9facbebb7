/**
 * What the transport needs of a device. {@link VerbsDevice} has it, and the tests have a device of their
 * own that needs no hardware.
 */
import type { Hold } from '../transport.ts';
import type { DatagramAddress } from './connect/datagram.ts';
import type { QueueAddress } from './device/attributes.ts';
import type { TargetAddress } from './device/liveness-target.ts';
import type { QueueOptions, Result } from './device/queue-pair.ts';

/** Registered memory that packets leave from. */
export interface PacketArea {
  readonly bytes: Uint8Array;
  readonly index: number;
}

/** The slots in which packets arrive. */
export interface PacketSlots {
  readonly bytes: Uint8Array;
  readonly slots: number;
  readonly waiting: number;
  grow(slots: number): void;
  post(slot: number): void;
  flush(): void;
}

/** A reliable connection. */
export interface PacketQueue {
  readonly number: number;
  readonly depth: number;
  readonly inlineBytes: number;
  readonly posted: number;
  readonly completed: number;
  owner: unknown;
  /** On iWARP: the peer's liveness target, for {@link probe}. */
  peerTarget?: TargetAddress | null;
  onError(error: Error): void;
  connect(remote: QueueAddress, psn: number): void;
  send(area: PacketArea, offset: number, length: number, inline: boolean, signal?: boolean): number;
  /**
   * Asks whether the peer answers, by an RDMA operation that moves nothing, or on iWARP by a READ of its
   * liveness target.
   */
  probe(done: Result): number;
  close(): void;
}

/** Datagrams, which set connections up. */
export interface Datagrams {
  readonly number: number;
  onDatagram(bytes: Uint8Array, source: number): void;
  send(to: DatagramAddress, bytes: Uint8Array): boolean;
  close(): void;
}

export interface PacketDevice {
  readonly name: string;
  readonly link: 'infiniband' | 'ethernet' | 'iwarp';
  readonly lid: number;
  readonly gid: string;
  readonly mtu: number;
  readonly software: boolean;
  readonly messageBytesMax: number;
  /** RDMA READs of a connection under way at one time, from us and from the peer. */
  readonly reads?: { readonly out: number; readonly in: number };
  readonly wakeFd: number;
  readonly asyncFd: number;
  onReceive(queue: PacketQueue, slot: number, bytes: number): void;
  openReceiveQueue(slotBytes: number): PacketSlots;
  openSendArea(bytes: number): PacketArea;
  createQueuePair(options: QueueOptions): PacketQueue;
  createDatagramQueue(): Datagrams;
  poll(looks?: number): number;
  arm(): void;
  disarm(): void;
  takeEvent(): unknown;
  /** On iWARP: the memory that peers read to see whether this rank is there. */
  livenessTarget?(): TargetAddress;
}

/** ibv_access_flags of the leases that the transport takes. */
export const LEASE = { localRead: 0, localWrite: 1, remoteWrite: 2, remoteRead: 4 } as const;

/** One operation on leased memory. */
export interface MemoryOperation {
  /** 'out': bytes leave the leased memory; 'in': bytes come into it. */
  readonly direction: 'out' | 'in';
  readonly kind: 'read' | 'write' | 'export';
  /** Of a read or write: the connection, and where the bytes are at the peer. */
  readonly queue?: PacketQueue | undefined;
  readonly remote?: number | undefined;
  readonly remoteKey?: number | undefined;
  /** Of an export, from within `post`: where the memory is for the peer. */
  exported?(address: number, remoteKey: number): void;
  /** Bytes moved, or a negative errno. */
  done(result: number): void;
}

/** What the transport needs of the pinned-memory manager. */
export interface LeasedMemory {
  acquire(view: Uint8Array, access: number): Hold;
  /** A value >= 0: posted; a negative errno: it is not. @throws MpiError */
  post(operation: MemoryOperation, lease: Hold, offset?: number, length?: number): number;
}
