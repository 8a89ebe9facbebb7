/** What the packets between two ranks need of a device, whichever it is. */
import type { Hold } from '../transport.ts';

/** Memory that packets leave from, as the device knows it. */
export interface PacketArea {
  readonly bytes: Uint8Array;
  readonly index: number;
}

/** Where packets arrive. A packet lies from its slot on; how far slots are apart says the layout. */
export interface PacketSlots {
  readonly bytes: Uint8Array;
  readonly slots: number;
  /** Slots that were given back and are not posted yet. */
  readonly waiting: number;
  /** Room for so many more packets. @throws MpiError ERR_NO_MEM */
  grow(slots: number): void;
  /** Gives back the slot of a packet that was taken. */
  post(slot: number): void;
  flush(): void;
}

/** What an operation ends with: bytes moved, or a negative errno. */
export type Result = (result: number) => void;

/** A reliable connection. */
export interface PacketQueue {
  readonly depth: number;
  readonly inlineBytes: number;
  /** Packets and operations posted and completed so far, modulo 2^32. */
  readonly posted: number;
  readonly completed: number;
  owner: unknown;
  onError(error: Error): void;
  send(area: PacketArea, offset: number, length: number, inline: boolean, signal?: boolean): number;
  close(): void;
}

/** What the packets of all peers need of their device. */
export interface PacketPort {
  onReceive(queue: PacketQueue, slot: number, bytes: number): void;
  openSendArea(bytes: number): PacketArea;
  /** Takes completions: how many there were. */
  poll(looks?: number): number;
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
