/**
 * ofi.cc: libfabric, loaded at run time. An endpoint and what belongs to it are named by small numbers, each
 * checked where it is used; one that names nothing is answered with -EBADF.
 */
import { addon } from './addon.ts';

/** What a provider offers on one interface. */
export interface OfiEntry {
  provider: string;
  /** Of the providers over TCP: the interface's name. */
  domain: string;
  /** {@link FORMAT}. */
  format: number;
  /** The address that an endpoint gets; its port is 0. */
  source: Uint8Array;
  /** Bits of {@link REGISTRATION}. */
  registration: number;
  keyBytes: number;
  injectBytes: number;
  messageBytes: number;
  rma: boolean;
}

export interface OfiAddon {
  /** '' where libfabric is loaded (it is at the first call); else what is missing. */
  ofiLoad(): string;
  /** major << 16 | minor. */
  ofiVersion(): number;
  /** What there is of a provider ('': of any), with or without operations on memory. */
  ofiSurvey(provider: string, rma: boolean): OfiEntry[] | number;
  /**
   * Opens an entry of the last survey. A receive buffer with fewer bytes left than `least` takes no packet. `quiet`: the
   * queue has no descriptor, and ofiWakeFds names the provider's own epoll descriptors; -ENODATA: it has none.
   */
  ofiOpen(entry: number, least: number, quiet: boolean): number;
  ofiClose(endpoint: number): number;
  /** Writes the endpoint's address: its length. */
  ofiAddress(endpoint: number, into: Uint8Array): number;
  /** The number of a peer with this address. Nothing is sent. */
  ofiPeer(endpoint: number, address: Uint8Array): number;
  /** One of them is readable when there is work. */
  ofiWakeFds(endpoint: number): number[] | number;
  /** 0: the descriptor may be slept on. */
  ofiTryWait(endpoint: number): number;
  ofiMailbox(endpoint: number): ArrayBuffer | number;
  ofiArea(endpoint: number, bytes: number): [number, ArrayBuffer] | number;
  ofiReceives(endpoint: number, area: number, bufferBytes: number): number;
  ofiPostBuffer(endpoint: number, buffer: number): number;
  /** `operation` -1: the memory is free when it returns, and nothing is told. `delivered` 1: the end is told when the peer has it. */
  ofiSend(
    endpoint: number,
    peer: number,
    area: number,
    offset: number,
    length: number,
    operation: number,
    delivered: number,
  ): number;
  ofiRegister(
    endpoint: number,
    address: number,
    length: number,
    access: number,
    keyLow: number,
    keyHigh: number,
  ): number;
  ofiDeregister(endpoint: number, region: number): number;
  ofiKey(endpoint: number, region: number, halves: Uint32Array): number;
  /** A read or write by {@link REQUEST}. */
  ofiRma(endpoint: number, request: Float64Array): number;
  /** Completions, in the mailbox by {@link COMPLETION}. */
  ofiPoll(endpoint: number, looks: number): number;
}

export const ofi = (): OfiAddon => addon() as unknown as OfiAddon;

/** Operations under way at one time. */
export const OFI_OPERATIONS = 1024;
/** Receive buffers at most. */
export const OFI_BUFFERS = 4096;
export const OFI_COMPLETIONS = 64;
export const OFI_COMPLETION_WORDS = 8;

/** Places of a completion, in 32-bit words. */
export const COMPLETION = {
  /** Of the operation or buffer; -1: of none. */
  number: 0,
  isBuffer: 1,
  /** An errno, or 0. */
  error: 2,
  /** The buffer takes no further packets. */
  released: 3,
  bytes: 4,
  /** Where the packet lies in the area. */
  offset: 5,
} as const;

/** Places of a read or write, in doubles. */
export const REQUEST = {
  write: 0,
  peer: 1,
  region: 2,
  address: 3,
  length: 4,
  remote: 5,
  keyLow: 6,
  keyHigh: 7,
  operation: 8,
  words: 9,
} as const;

/** FI_SOCKADDR_IN and FI_SOCKADDR_IN6. */
export const FORMAT = { ipv4: 2, ipv6: 3 } as const;

/** fi_domain(3): mr_mode. */
export const REGISTRATION = { local: 1 << 2, virtualAddress: 1 << 4, providerKey: 1 << 6 } as const;
