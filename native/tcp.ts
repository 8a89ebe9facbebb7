/** tcp.cc: this process's TCP connections, whoever opened them. */
import { addon } from './addon.ts';

interface TcpAddon {
  tcpConnections(into: Uint8Array): number;
  tcpKeepAlive(fd: number, seconds: number, probes: number): number;
  tcpShutdown(fd: number): number;
}

/** An IP address and a port, written alike by all ranks: a text to compare by. */
export interface TcpEnd {
  ip: string;
  port: number;
}

export interface TcpConnection {
  fd: number;
  established: boolean;
  /** Milliseconds since the other end's machine has said anything. */
  silentMs: number;
  /** How often in a row it was sent again what the other end does not say to have. */
  repeats: number;
  /** Bytes that the other end has said to have, modulo 2^32. */
  acknowledged: number;
  own: TcpEnd;
  peer: TcpEnd;
}

const RECORD_BYTES = 88;
const END_BYTES = 32;
const OWN_AT = 24;
const PEER_AT = OWN_AT + END_BYTES;
/** TCP_ESTABLISHED */
const ESTABLISHED = 1;
const AF_INET = 2;
const AF_INET6 = 10;

/** The end that a sockaddr_in or sockaddr_in6 names; null: it is something else. */
export function tcpEnd(address: Uint8Array): TcpEnd | null {
  const view = new DataView(address.buffer, address.byteOffset, address.byteLength);
  if (address.length < 8) return null;
  const family = view.getUint16(0, true);
  const port = view.getUint16(2);
  if (family === AF_INET) return { ip: address.subarray(4, 8).join('.'), port };
  if (family !== AF_INET6 || address.length < 24) return null;
  const groups = Array.from({ length: 8 }, (_, i) => view.getUint16(8 + 2 * i).toString(16));
  return { ip: groups.join(':'), port };
}

export const tcpText = ({ ip, port }: TcpEnd) =>
  ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`;

const native = () => addon() as unknown as TcpAddon;
let records = new Uint8Array(64 * RECORD_BYTES);

/** Connections as they are now; those that are still being made are not among them. */
function connections(): TcpConnection[] {
  let count = native().tcpConnections(records);
  while (count * RECORD_BYTES > records.length) {
    records = new Uint8Array(2 * count * RECORD_BYTES);
    count = native().tcpConnections(records);
  }
  const words = new Int32Array(records.buffer);
  const found: TcpConnection[] = [];
  for (let at = 0; at < count * RECORD_BYTES; at += RECORD_BYTES) {
    const own = tcpEnd(records.subarray(at + OWN_AT, at + PEER_AT));
    const peer = tcpEnd(records.subarray(at + PEER_AT, at + PEER_AT + END_BYTES));
    const [fd, state, silentMs, repeats, acknowledged] = words.subarray(at / 4);
    const established = state === ESTABLISHED;
    if (own && peer) found.push({ fd, established, silentMs, repeats, acknowledged, own, peer });
  }
  return found;
}

export interface Tcp {
  connections(): TcpConnection[];
  /** An idle connection asks the other end's machine every so many seconds. 0 or a negative errno. */
  keepAlive(fd: number, seconds: number, probes: number): number;
  /** Nothing goes or comes over it any more; the descriptor stays its owner's. 0 or a negative errno. */
  shutdown(fd: number): number;
}

/** The kernel's. */
export const TCP: Tcp = {
  connections,
  keepAlive: (fd, seconds, probes) => native().tcpKeepAlive(fd, seconds, probes),
  shutdown: (fd) => native().tcpShutdown(fd),
};
