/** How two ranks connect, as the transport sees it, on any link. */
import { MpiError } from '../../../runtime/base/error.ts';
import type { PacketDevice, PacketQueue } from '../ports.ts';
import type { IpAddress } from './connections.ts';
import type { DatagramAddress } from './datagram.ts';

/** A rank's address: its datagram queue, or on iWARP where it listens. */
export type SetupAddress = DatagramAddress | IpAddress;

export interface ConnectionSetup<Address extends SetupAddress = SetupAddress> {
  /** Where peers find us. */
  readonly address: Address;
  /** Readable when `poll` has work; undefined where completions tell. */
  readonly fd?: number;
  /** Whether a peer has yet to answer. */
  readonly pending: boolean;
  /** Milliseconds until there is work again. */
  readonly dueIn: number;
  begin(peer: number, queue: PacketQueue, address: Address): void;
  /** A packet came over the connection. */
  heard(peer: number): void;
  /** No connection with the peer is wanted any more. */
  end(peer: number): void;
  /** Does the work that is due; called while a peer is `pending`. */
  progress(): void;
  /** Looks for news of peers, at once or after a number of calls. */
  poll?(now: boolean): void;
  close(): void;
}

/** For the launcher's key-value space. */
export function formatAddress(address: SetupAddress): string {
  if ('ip' in address) return `iwarp/${address.ip}/${address.port}`;
  return `${address.number}:${address.lid}:${address.gid}`;
}

/** @throws MpiError ERR_UNREACHABLE where a device of this kind does not reach it */
export function parseAddress(text: string, link: PacketDevice['link'], peer: number): SetupAddress {
  const datagrams = /^(\d{1,8}):(\d{1,5}):([0-9a-f]{32})$/i.exec(text);
  const iwarp = /^iwarp\/([0-9a-f.:]{2,45})\/(\d{1,5})$/i.exec(text);
  if (link === 'iwarp' && iwarp) return { ip: iwarp[1], port: Number(iwarp[2]) };
  if (link !== 'iwarp' && datagrams)
    return { number: Number(datagrams[1]), lid: Number(datagrams[2]), gid: datagrams[3] };
  const why =
    datagrams || iwarp
      ? `has an RDMA device of another kind (${iwarp ? 'iWARP' : 'InfiniBand or RoCE'}, ours is ${link})`
      : 'has no RDMA device (the launcher knows no address of it)';
  throw new MpiError(
    'ERR_UNREACHABLE',
    `rank ${peer} ${why}; see DREG_TRANSPORT and DREG_VERBS_DEVICE on its machine`,
    { peer },
  );
}
