/**
 * How the ranks of a node come to have one segment: the lowest of them makes it and hands its descriptors
 * to the others.
 *
 * Abstract sockets have no owner, and everybody on the machine sees their names. So nobody can put
 * anything into one of ours: what a leader sends from was shut for reading before it had a name, and what a
 * member receives in was connected to its leader before it had one. The kernel refuses everybody else
 * (unix(7); EPIPE and EPERM), and no descriptor of a stranger ever comes to be ours to close.
 */
import { existsSync, readFileSync, readlinkSync } from 'node:fs';
import { constants, hostname } from 'node:os';
import { addon } from '../../native/addon.ts';
import { randomHex } from '../../native/random.ts';
import { check, errnoName, MpiError } from '../../runtime/base/error.ts';
import { MAX_LOCAL_RANKS } from './layout.ts';
import {
  attach,
  createSegment,
  ownCpus,
  type Segment,
  type SegmentFiles,
  soloSegment,
} from './segment.ts';

/** How long a rank waits for the segment from its leader, in milliseconds. */
export const ATTACH_TIMEOUT_MS = 30_000;

/** What ranks learn each other's addresses by: a launcher's key-value space. */
export interface KeyValueSpace {
  readonly rank: number;
  readonly size: number;
  readonly jobId: string;
  put(key: string, value: string): void;
  get(key: string, of: number): string | undefined;
  fence(): void;
}

/** What each rank publishes about itself. */
interface Address {
  node: string;
  /** The socket that the rank sends from, if it is its node's leader. */
  socket: string;
  /** CPUs that the rank may run on. */
  cpus: number[];
  /** Whether its machine has an RDMA device. */
  rdma: boolean;
}

/** What ranks know of each other once they have met. */
export interface Joined {
  segment: Segment;
  /** Ranks of the job whose machines have RDMA devices. */
  rdma: number;
}

interface LocalPeer {
  rank: number;
  address: Address;
}

const MACHINE_ID = '/etc/machine-id';

const addressKey = (rank: number) => `dreg.shm.${rank}`;
const memberKey = (rank: number) => `dreg.shm.${rank}.in`;

/**
 * The same for all processes that can share memory and find each other's sockets. DREG_NODE separates ranks
 * further: ranks with another value count as ranks of another node.
 * @environment DREG_NODE | a name | ranks with different names count as ranks of different nodes, wherever
 *   they run
 */
export function nodeIdentity(): string {
  const given = process.env.DREG_NODE ?? '';
  return `${machineIdentity()}/${readlinkSync('/proc/self/ns/net')}/${process.getuid?.() ?? 0}/${given}`;
}

/** What DREG_NODE_ID may be: no longer than a host's name, and in no need of being quoted. */
const NODE_ID = /^[\w.-]{1,64}$/;

/**
 * A /proc that shows processes alone (subset=pid) has no boot id: then the machine's name and id.
 * @throws MpiError ERR_ARG
 * @environment DREG_NODE_ID | at most 64 letters, digits, `.`, `_` and `-` | for tests only: what tells machines apart,
 *   in place of the kernel's boot id, so that network namespaces of one machine are machines of their own
 */
function machineIdentity(): string {
  const given = process.env.DREG_NODE_ID || undefined;
  if (given !== undefined) return checkedNodeId(given);
  const id = (file: string) => readFileSync(file, 'utf8').trim();
  try {
    return id('/proc/sys/kernel/random/boot_id');
  } catch {
    return `${hostname()}/${existsSync(MACHINE_ID) ? id(MACHINE_ID) : ''}`;
  }
}

/** @throws MpiError ERR_LAUNCH where it is no address of ours */
function parseAddress(text: string, peer: number): Address {
  try {
    const { node, socket, cpus, rdma = false } = JSON.parse(text) as Partial<Address>;
    const numbers = Array.isArray(cpus) && cpus.every(Number.isInteger);
    if (typeof node === 'string' && typeof socket === 'string' && numbers)
      return { node, socket, cpus, rdma };
  } catch {
    // Text that is no JSON gives the same error as a wrong address.
  }
  throw new MpiError(
    'ERR_LAUNCH',
    `rank ${peer} published no address of ours ("${text.slice(0, 80)}"): let all ranks run the same version of dreg-mpi`,
    { peer },
  );
}

function checkedNodeId(given: string): string {
  if (NODE_ID.test(given)) return given;
  throw new MpiError(
    'ERR_ARG',
    `DREG_NODE_ID is ${JSON.stringify(given.slice(0, 80))}; it may have 1 to 64 letters, digits, ".", "_" and "-", or be unset`,
  );
}

function addressOf(space: KeyValueSpace, rank: number): Address {
  const value = space.get(addressKey(rank), rank);
  if (value !== undefined) return parseAddress(value, rank);
  throw new MpiError(
    'ERR_LAUNCH',
    `rank ${rank} published no address: let all ranks run the same version of dreg-mpi`,
    { peer: rank },
  );
}

/** Where all ranks are: those of this node, each one's node, and how many have RDMA. */
function meet(
  space: KeyValueSpace,
  node: string,
): { peers: LocalPeer[]; nodes: string[]; rdma: number } {
  const peers: LocalPeer[] = [];
  const nodes: string[] = [];
  let rdma = 0;
  for (let rank = 0; rank < space.size; rank++) {
    const address = addressOf(space, rank);
    nodes.push(address.node);
    if (address.rdma) rdma++;
    if (address.node === node) peers.push({ rank, address });
  }
  if (peers.length > MAX_LOCAL_RANKS)
    throw new MpiError(
      'ERR_LAUNCH',
      `${peers.length} ranks run on one node, and at most ${MAX_LOCAL_RANKS} may (MAX_LOCAL_RANKS): start fewer, or use more nodes`,
    );
  return { peers, nodes, rdma };
}

/**
 * Makes the segment and hands it to the node's other ranks, once all of them have published their
 * addresses.
 */
function lead(space: KeyValueSpace, socket: number, peers: LocalPeer[]): SegmentFiles {
  const files = createSegment(peers.length, space.jobId);
  space.fence();
  const fds = [files.rings, files.heaps, ...files.doorbells];
  for (const { rank } of peers.slice(1)) {
    const answer = addon().fdSocketSend(socket, space.get(memberKey(rank), rank) ?? '', fds);
    check(answer, 'sendmsg', `handing the shared segment to rank ${rank}`, { peer: rank });
  }
  return files;
}

/** Receives the segment from the node's leader. */
function follow(space: KeyValueSpace, leader: LocalPeer, count: number): SegmentFiles {
  const name = socketName(space);
  const socket = addon().fdReceiverBind(name, leader.address.socket);
  if (socket === -constants.errno.ECONNREFUSED)
    throw notHandedOver(-socket, space.rank, leader.rank, 'connect');
  check(socket, 'bind', 'making a socket for the segment');
  try {
    space.put(memberKey(space.rank), name);
    space.fence();
    const fds = addon().fdSocketReceive(socket, ATTACH_TIMEOUT_MS);
    if (typeof fds === 'number') throw receiveError(-fds, space.rank, leader.rank);
    const [rings, heaps, ...doorbells] = fds;
    if (doorbells.length === count) return { rings, heaps, doorbells };
    for (const fd of fds) addon().closeFd(fd);
    throw new MpiError(
      'ERR_LAUNCH',
      `rank ${leader.rank} handed over ${fds.length} descriptors, not ${count + 2}: let all ranks run the same version of dreg-mpi`,
      { rank: space.rank, peer: leader.rank },
    );
  } finally {
    addon().closeFd(socket);
  }
}

function receiveError(errno: number, rank: number, peer: number): MpiError {
  if (errno === constants.errno.EMFILE)
    return new MpiError(
      'ERR_SYSTEM',
      `rank ${rank} needs an open file for each rank of its machine, and may not open so many: raise "ulimit -n"`,
      { rank, errno, syscall: 'recvmsg' },
    );
  return notHandedOver(errno, rank, peer, 'recvmsg');
}

function notHandedOver(errno: number, rank: number, peer: number, syscall: string): MpiError {
  return new MpiError(
    'ERR_LAUNCH',
    `rank ${peer} did not hand over the shared segment (${errnoName(errno)}): look at that rank's output, it may have ended`,
    { rank, peer, errno, syscall },
  );
}

const socketName = ({ jobId, rank }: KeyValueSpace) => `dreg-mpi/${jobId}/${rank}/${randomHex(16)}`;

/**
 * Joins the segment of this job's ranks on this node: collective over the job.
 * @param rdma whether this machine has an RDMA device, which the others get to know
 * @throws MpiError ERR_LAUNCH, ERR_NO_MEM, ERR_SYSTEM
 */
export function joinSegment(space: KeyValueSpace, rdma = false): Joined {
  const { rank, size, jobId } = space;
  if (size === 1) return { segment: soloSegment(jobId, rank), rdma: rdma ? 1 : 0 };
  const name = socketName(space);
  const socket = check(addon().fdSenderBind(name), 'bind', 'making a socket for the segment');
  const node = nodeIdentity();
  const address: Address = { node, socket: name, cpus: ownCpus(), rdma };
  space.put(addressKey(rank), JSON.stringify(address));
  space.fence();
  const { peers, nodes, rdma: all } = meet(space, node);
  const ranks = peers.map((peer) => peer.rank);
  const self = ranks.indexOf(rank);
  const files = self === 0 ? lead(space, socket, peers) : follow(space, peers[0], ranks.length);
  // A leader that fails has its socket until it ends: else others fail for that before it has said why it does.
  addon().closeFd(socket);
  const cpus = new Set(peers.flatMap((peer) => peer.address.cpus));
  const segment = attach(files, ranks, self, cpus.size);
  segment.nodes = declaredNodes(size) ?? nodes;
  return { segment, rdma: all };
}

/**
 * What collective operations take for the nodes of the ranks. Messages go as they go anyway.
 * @throws MpiError ERR_ARG
 * @environment DREG_NODE_OF | a name for each rank of the world, as `0,0,1,1` | for tests only: collective operations go as they go
 *   between machines, as if ranks with different names were on different ones
 */
function declaredNodes(size: number): string[] | null {
  const given = process.env.DREG_NODE_OF || '';
  if (given === '') return null;
  const names = given.split(',');
  if (names.length >= size) return names.slice(0, size);
  throw new MpiError(
    'ERR_ARG',
    `DREG_NODE_OF names the nodes of ${names.length} ranks, and the job has ${size}: name one for each, with commas between`,
  );
}
