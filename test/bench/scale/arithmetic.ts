/** What a job of so many ranks takes, by calculation. All peers are taken for peers over RDMA. */
import { MAILBOX } from '../../../native/verbs.ts';
import { KVS_BYTES_MAX } from '../../../runtime/launch/pmi/server.ts';
import { SEND_DEPTH } from '../../../transports/packets/channel.ts';
import { SLOTS_PER_PEER } from '../../../transports/packets/layout.ts';
import { SEND_SLOTS } from '../../../transports/packets/send-slots.ts';
import { SPARE_SLOTS } from '../../../transports/packets/sender.ts';
import { nodeIdentity } from '../../../transports/shm/join.ts';
import {
  DATAGRAM_BYTES_MAX,
  DATAGRAM_RECEIVES,
  DATAGRAM_SENDS,
} from '../../../transports/verbs/connect/datagram.ts';
import { RECEIVE_SLOTS_MAX } from '../../../transports/verbs/device/areas.ts';
import { VERBS_SLOT_BYTES } from '../../../transports/verbs/layout.ts';
import type { Costs } from './costs.ts';
import type { Pattern } from './patterns.ts';

/** A completion in the device's queue, of which each connection has room for SEND_DEPTH. */
const COMPLETION_BYTES = 64;
/** The device writes the sender's route before a datagram. */
const ROUTE_BYTES = 40;

/** Registered for each connected peer, and given back with the connection. */
export const PINNED_PER_PEER = SLOTS_PER_PEER * VERBS_SLOT_BYTES;

/** Registered once for a rank, whatever it talks to. */
export const PINNED_PER_RANK =
  SPARE_SLOTS * VERBS_SLOT_BYTES +
  (SEND_SLOTS + 1) * VERBS_SLOT_BYTES +
  (DATAGRAM_RECEIVES + DATAGRAM_SENDS) * (DATAGRAM_BYTES_MAX + ROUTE_BYTES);

export interface Estimate {
  pattern: string;
  ranks: number;
  peersMost: number;
  peersMean: number;
  /** Memory of a rank for its connections: of the one with the most peers, and on average. */
  bytesMost: number;
  bytesMean: number;
  /** Queue pairs, and memory, of a node on average. */
  nodeQueues: number;
  nodeBytes: number;
  /** The launcher's key-value space. */
  keyBytes: number;
  /** Requests to the launcher by a rank, and seconds until that of a node has answered all of them. */
  requests: number;
  requestSeconds: number;
  /** The limits that are in the way; empty: none. */
  obstacles: string[];
}

/** Memory of a rank with so many connected peers. */
export function bytesOf(peers: number, costs: Costs): number {
  const each = PINNED_PER_PEER + costs.queueBytes + SEND_DEPTH * COMPLETION_BYTES;
  return PINNED_PER_RANK + MAILBOX.bytes + peers * each;
}

/** Peers that a rank can be connected with. */
export function peersMax({ completionsMax }: Costs): { peers: number; limit: string } {
  const slots = Math.floor((RECEIVE_SLOTS_MAX - SPARE_SLOTS) / SLOTS_PER_PEER);
  const fixed = RECEIVE_SLOTS_MAX + DATAGRAM_RECEIVES + DATAGRAM_SENDS;
  const completions = Math.floor((completionsMax - fixed) / SEND_DEPTH);
  return slots <= completions
    ? { peers: slots, limit: 'RECEIVE_SLOTS_MAX' }
    : { peers: completions, limit: "the device's room for completions" };
}

/** What a rank puts into the key-value space: keys and values, as they are stored. */
export function keyBytesOf(rank: number, cpus: number): number {
  const address = {
    node: nodeIdentity(),
    rdma: true,
    socket: `dreg-mpi/dreg_${'1'.repeat(7)}_${'0'.repeat(12)}/${rank}/${'0'.repeat(32)}`,
    cpus: Array.from({ length: cpus }, (_, cpu) => cpu),
  };
  // A value is stored percent-encoded, after the number of its parts and a dot.
  const stored = (key: string, value: string) => key.length + 2 + encodeURIComponent(value).length;
  return (
    stored(`dreg.shm.${rank}`, JSON.stringify(address)) +
    stored(`verbs-${rank}`, `${'1'.repeat(7)}:0:${'0'.repeat(32)}`) +
    stored(`verbs-left-${rank}`, '1')
  );
}

export interface Machine {
  ranksPerNode: number;
  costs: Costs;
}

export function estimate(pattern: Pattern, ranks: number, machine: Machine): Estimate {
  const { costs, ranksPerNode } = machine;
  const peers = pattern.peers(ranks);
  const onNode = Math.min(ranks, ranksPerNode);
  // A bound rank has a CPU of its own.
  const keyBytes = ranks * keyBytesOf(ranks - 1, 1);
  // Two addresses and two fences, the address of everybody (who is on this node?), and of each peer.
  const requests = 4 + ranks + peers.mean;
  const nodeQueues = onNode * (peers.mean + 1);
  const bytesMean = bytesOf(peers.mean, costs);
  return {
    pattern: pattern.name,
    ranks,
    peersMost: peers.most,
    peersMean: peers.mean,
    bytesMost: bytesOf(peers.most, costs),
    bytesMean,
    nodeQueues,
    nodeBytes: onNode * bytesMean,
    keyBytes,
    requests,
    requestSeconds: (onNode * requests * costs.pmiUs) / 1e6,
    obstacles: obstaclesOf(peers.most, nodeQueues, keyBytes, costs),
  };
}

function obstaclesOf(most: number, queues: number, keyBytes: number, costs: Costs): string[] {
  const obstacles: string[] = [];
  const { peers, limit } = peersMax(costs);
  if (most > peers) obstacles.push(`a rank has ${most} peers, ${peers} there can be (${limit})`);
  if (queues > costs.queuesMax)
    obstacles.push(`a node has ${Math.ceil(queues)} queue pairs, its device ${costs.queuesMax}`);
  if (keyBytes > KVS_BYTES_MAX)
    obstacles.push(`the key-value space is larger than dregrun's (KVS_BYTES_MAX)`);
  return obstacles;
}
