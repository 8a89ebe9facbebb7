/** The route to a peer, as queue pairs and address handles take it. */
import { ATTRIBUTE } from '../../../native/verbs.ts';
import { MpiError } from '../../../runtime/base/error.ts';

/** Routers that a packet may pass. */
export const HOP_LIMIT = 64;

/** Where a peer's port is. */
export interface PathAddress {
  /** InfiniBand's local identifier; 0 on Ethernet. */
  lid: number;
  /** 32 hex digits. */
  gid: string;
}

/** Writes the path into the attributes; answers the GID's bytes. @throws MpiError ERR_PROTOCOL */
export function setPath(
  attributes: Int32Array,
  remote: PathAddress,
  ours: { port: number; gidIndex: number; global: boolean },
): Uint8Array {
  attributes[ATTRIBUTE.port] = ours.port;
  attributes[ATTRIBUTE.lid] = remote.lid;
  attributes[ATTRIBUTE.global] = ours.global ? 1 : 0;
  attributes[ATTRIBUTE.gidIndex] = ours.gidIndex;
  attributes[ATTRIBUTE.hopLimit] = HOP_LIMIT;
  return gidBytes(remote.gid);
}

/** The 16 bytes of 32 hex digits. @throws MpiError ERR_PROTOCOL where it is something else */
export function gidBytes(gid: string): Uint8Array {
  if (!/^[0-9a-f]{32}$/i.test(gid)) throw new MpiError('ERR_PROTOCOL', `"${gid}" is no GID`);
  return Uint8Array.from({ length: 16 }, (_, i) =>
    Number.parseInt(gid.slice(2 * i, 2 * i + 2), 16),
  );
}
