/** Which device, port and GID are used: decided on tables, so that it can be tested without a device. */
import { MpiError } from '../../../runtime/base/error.ts';

export type Link = 'infiniband' | 'ethernet' | 'iwarp';

export interface GidEntry {
  index: number;
  /** 32 hex digits. */
  gid: string;
  /** As the kernel names it: 'IB/RoCE v1', 'RoCE v2'; '' where it says nothing. */
  type: string;
}

export interface PortEntry {
  device: string;
  /** From 1. */
  port: number;
  active: boolean;
  link: Link;
  lid: number;
  /** Bytes of a packet. */
  mtu: number;
  /** Bytes of a message. */
  messageBytes: number;
  gids: GidEntry[];
}

/** What DREG_VERBS_DEVICE names. */
export interface Wanted {
  device?: string | undefined;
  port?: number | undefined;
}

/**
 * 'mlx5_0' or 'mlx5_0:2'.
 * @throws MpiError ERR_ARG
 * @environment DREG_VERBS_DEVICE | `name`, `name:port` | the RDMA device and port. Default: the first port
 *   that is active
 */
export function parseDevice(text: string | undefined): Wanted {
  if (text === undefined || text === '') return {};
  const [, device, port] = /^([^:\s/]+)(?::([1-9]\d{0,2}))?$/.exec(text) ?? [];
  if (device === undefined)
    throw new MpiError(
      'ERR_ARG',
      `DREG_VERBS_DEVICE is "${text}"; it must be a device's name, with a port if need be: mlx5_0 or mlx5_0:1`,
    );
  return { device, port: port === undefined ? undefined : Number(port) };
}

/**
 * A number from 0 on.
 * @throws MpiError ERR_ARG
 * @environment DREG_VERBS_GID_INDEX | a number | the entry of the port's GID table. Default: RoCE v2 before
 *   v1, and IPv4 before link-local
 */
export function parseGidIndex(text: string | undefined): number | undefined {
  if (text === undefined || text === '') return undefined;
  if (/^\d{1,5}$/.test(text)) return Number(text);
  throw new MpiError('ERR_ARG', `DREG_VERBS_GID_INDEX is "${text}"; it must be a number from 0 on`);
}

/**
 * The port to use: the one that is wanted, else the first that is active.
 * @throws MpiError ERR_UNSUPPORTED, which says what there is
 */
export function choosePort(ports: readonly PortEntry[], wanted: Wanted): PortEntry {
  const { device, port } = wanted;
  const there = ports.map((entry) => `${entry.device}:${entry.port}`).join(', ');
  if (ports.length === 0)
    throw new MpiError(
      'ERR_UNSUPPORTED',
      'there is no RDMA device: load its driver, and see that /dev/infiniband is visible here ("rdma link" shows what the kernel has)',
    );
  const matching = ports.filter(
    (entry) =>
      (device === undefined || entry.device === device) &&
      (port === undefined || entry.port === port),
  );
  if (matching.length === 0)
    throw new MpiError(
      'ERR_UNSUPPORTED',
      `there is no RDMA device or port "${device}${port === undefined ? '' : `:${port}`}"; there are: ${there}`,
    );
  const active = matching.find((entry) => entry.active);
  if (active) return active;
  const names = matching.map((entry) => `${entry.device}:${entry.port}`).join(', ');
  throw new MpiError(
    'ERR_UNSUPPORTED',
    `no RDMA port is active (${names}): bring the network up ("rdma link" shows the state)`,
  );
}

/** Whether it is ::ffff:a.b.c.d: made of an IPv4 address. */
export const isMapped = (gid: string): boolean => /^0{20}f{4}/i.test(gid);
const isEmpty = (gid: string): boolean => /^0*$/.test(gid);
const isLinkLocal = (gid: string): boolean => /^fe80/i.test(gid);
const isLoopback = (gid: string): boolean => /^(0{31}1|0{20}f{4}7f.{6})$/i.test(gid);

/** The better, the greater: RoCE v2 is routed; addresses of IPv4 and global ones are the network's own. */
function worth(entry: GidEntry): number {
  const version = /v2/i.test(entry.type) ? 100 : 0;
  if (isMapped(entry.gid)) return version + (isLoopback(entry.gid) ? 30 : 40);
  if (isLoopback(entry.gid)) return version + 5;
  return version + (isLinkLocal(entry.gid) ? 10 : 20);
}

/**
 * The GID to use on a port: the one of the given index; else on InfiniBand and iWARP the first, on
 * Ethernet RoCE v2 before v1 and IPv4 before link-local.
 * @throws MpiError ERR_UNSUPPORTED where there is none
 */
export function chooseGid(entry: PortEntry, index?: number): GidEntry {
  const name = `${entry.device}:${entry.port}`;
  const gids = entry.gids.filter(({ gid }) => !isEmpty(gid));
  if (index !== undefined) {
    const given = gids.find((gid) => gid.index === index);
    if (given) return given;
    const there = gids.map((gid) => gid.index).join(', ');
    throw new MpiError('ERR_UNSUPPORTED', `${name} has no GID ${index}; it has: ${there}`);
  }
  if (gids.length === 0)
    throw new MpiError(
      'ERR_UNSUPPORTED',
      `${name} has no GID: give its network interface an address`,
    );
  if (entry.link !== 'ethernet') return gids[0]!;
  return gids.reduce((best, next) => (worth(next) > worth(best) ? next : best));
}
