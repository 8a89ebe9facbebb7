/**
 * What the transport needs of a device. {@link VerbsDevice} has it, and the tests have a device of their
 * own that needs no hardware.
 */

import type { PacketChannel } from '../packets/channel.ts';
import type { PacketQueue as AnyQueue, PacketPort, PacketSlots } from '../packets/ports.ts';
import type { DatagramAddress } from './connect/datagram.ts';
import type { QueueAddress } from './device/attributes.ts';
import type { TargetAddress } from './device/liveness-target.ts';
import type { QueueOptions, Result } from './device/queue-pair.ts';

/** A reliable connection. */
export interface PacketQueue extends AnyQueue {
  readonly number: number;
  /** On iWARP: the peer's liveness target, for {@link probe}. */
  peerTarget?: TargetAddress | null;
  connect(remote: QueueAddress, psn: number): void;
  /**
   * Asks whether the peer answers, by an RDMA operation that moves nothing, or on iWARP by a READ of its
   * liveness target.
   */
  probe(done: Result): number;
}

export type VerbsChannel = PacketChannel<PacketQueue>;

/** Datagrams, which set connections up. */
export interface Datagrams {
  readonly number: number;
  onDatagram(bytes: Uint8Array, source: number): void;
  send(to: DatagramAddress, bytes: Uint8Array): boolean;
  close(): void;
}

export interface PacketDevice extends PacketPort {
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
  openReceiveQueue(slotBytes: number): PacketSlots;
  createQueuePair(options: QueueOptions): PacketQueue;
  createDatagramQueue(): Datagrams;
  arm(): void;
  disarm(): void;
  takeEvent(): unknown;
  /** On iWARP: the memory that peers read to see whether this rank is there. */
  livenessTarget?(): TargetAddress;
}
