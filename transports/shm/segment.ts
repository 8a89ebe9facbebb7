/**
 * The shared segment of a job's ranks on one node: made by the lowest of them, handed to the others
 * as a descriptor, so that no file system ever holds a name of it (docs/design/shm.md).
 */
import { readFileSync, readlinkSync } from 'node:fs';
import { addon } from '../../native/addon.ts';
import { randomHex } from '../../native/random.ts';
import { check, errnoName, MpiError } from '../../runtime/base/error.ts';
import {
  CONTROL_BYTES,
  controlOffset,
  MAX_LOCAL_RANKS,
  PAGE_BYTES,
  REGION_BYTES,
  regionOffset,
  SEGMENT_MAGIC,
  SEGMENT_VERSION,
  segmentBytes,
} from './layout.ts';

/** How long a rank waits for the segment from its leader, in milliseconds. */
export const ATTACH_TIMEOUT_MS = 30_000;

/** How ranks learn from each other: what a launcher's key-value space offers. */
export interface KeyValueSpace {
  readonly rank: number;
  readonly size: number;
  readonly jobId: string;
  put(key: string, value: string): void;
  get(key: string): string | undefined;
  fence(): void;
}

interface Address {
  node: string;
  socket: string;
  /** CPUs that the rank may run on. */
  cpus: number[];
}

/**
 * The same for all processes that can share memory and find each other's sockets. DREG_NODE tells
 * further ones apart: ranks with another value are taken for ranks of another node.
 */
export function nodeIdentity(): string {
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  const given = process.env.DREG_NODE ?? '';
  return `${boot}/${readlinkSync('/proc/self/ns/net')}/${process.getuid?.() ?? 0}/${given}`;
}

/** A rank's hold on the segment. Ranks in here are *local* ones: indices into `ranks`. */
export class Segment {
  readonly fd: number;
  /** eventfds, one for each local rank. */
  readonly bells: number[];
  /** World ranks of the job's ranks on this node, ascending. */
  readonly ranks: number[];
  /** This rank's index in `ranks`. */
  readonly self: number;
  /** CPUs that the ranks may run on, all together. */
  readonly cpus: number;

  constructor(fd: number, bells: number[], ranks: number[], self: number, cpus: number) {
    this.cpus = cpus;
    this.fd = fd;
    this.bells = bells;
    this.ranks = ranks;
    this.self = self;
  }

  map(offset: number, bytes: number, purpose: string): ArrayBuffer {
    const answer = addon().segmentMap(this.fd, offset, bytes);
    if (typeof answer === 'number') check(answer, 'mmap', purpose);
    return answer as ArrayBuffer;
  }

  /** Gives memory to a range now, so that touching it later cannot raise SIGBUS. */
  reserve(offset: number, bytes: number, purpose: string): void {
    check(addon().segmentReserve(this.fd, offset, bytes), 'fallocate', purpose);
  }

  control(local: number): Int32Array {
    const buffer = this.map(controlOffset(local), CONTROL_BYTES, 'mapping a control page');
    return new Int32Array(buffer);
  }

  region(from: number, to: number): ArrayBuffer {
    const purpose = `mapping the rings from rank ${this.ranks[from]} to rank ${this.ranks[to]}`;
    return this.map(regionOffset(this.ranks.length, from, to), REGION_BYTES, purpose);
  }

  close(): void {
    for (const fd of [this.fd, ...this.bells]) addon().closeFd(fd);
  }
}

function ownCpus(): number[] {
  const cpus = addon().affinityGet();
  return typeof cpus === 'number' ? [] : cpus;
}

function createSegment(count: number, jobId: string): { fd: number; bells: number[] } {
  const native = addon();
  const fd = check(
    native.segmentCreate(`dreg-mpi ${jobId}`, segmentBytes(count)),
    'memfd_create',
    'making the shared segment',
  );
  const used = PAGE_BYTES + count * CONTROL_BYTES;
  check(native.segmentReserve(fd, 0, used), 'fallocate', 'making the shared segment');
  const header = native.segmentMap(fd, 0, PAGE_BYTES);
  if (typeof header === 'number') throw check(header, 'mmap', 'mapping the shared segment');
  new Int32Array(header).set([SEGMENT_MAGIC, SEGMENT_VERSION, count]);
  const bells = Array.from({ length: count }, () =>
    check(native.eventfdCreate(), 'eventfd', 'making a doorbell'),
  );
  return { fd, bells };
}

/** Sends the segment's descriptors to the other local ranks. */
function distribute(socket: number, addresses: Address[], token: string, fds: number[]): void {
  for (const { socket: name } of addresses) {
    const answer = addon().fdSocketSend(socket, name, token, fds);
    check(answer, 'sendmsg', 'handing the shared segment to another rank');
  }
}

function receive(socket: number, token: string, leader: number, count: number): number[] {
  const deadline = Date.now() + ATTACH_TIMEOUT_MS;
  for (;;) {
    const left = Math.max(0, deadline - Date.now());
    const message = addon().fdSocketReceive(socket, left);
    if (typeof message === 'number') {
      throw new MpiError(
        'ERR_LAUNCH',
        `rank ${leader} did not hand over the shared segment (${errnoName(-message)}); see whether it still runs`,
        { peer: leader, errno: -message },
      );
    }
    // Abstract sockets have no owner: whoever else on the machine writes to ours is not heard.
    const ours = message.payload === token && message.uid === (process.getuid?.() ?? 0);
    if (ours && message.fds.length === count + 1) return message.fds;
    for (const fd of message.fds) addon().closeFd(fd);
  }
}

function verify(segment: Segment): void {
  const header = new Int32Array(segment.map(0, PAGE_BYTES, 'mapping the shared segment'));
  const [magic, version, count] = header;
  if (magic === SEGMENT_MAGIC && version === SEGMENT_VERSION && count === segment.ranks.length)
    return;
  throw new MpiError(
    'ERR_LAUNCH',
    `the shared segment is of version ${version} for ${count} ranks, not ${SEGMENT_VERSION} for ${segment.ranks.length}: do all ranks run the same dreg-mpi?`,
  );
}

/** A segment for a single process: MPI.allocate() and self-sends of a world of size 1. */
export function soloSegment(jobId: string, rank: number): Segment {
  const { fd, bells } = createSegment(1, jobId);
  return new Segment(fd, bells, [rank], 0, ownCpus().length);
}

/**
 * Joins the segment of this job's ranks on this node: collective over the job.
 * @throws MpiError ERR_LAUNCH, ERR_NO_MEM, ERR_SYSTEM
 */
export function joinSegment(space: KeyValueSpace): Segment {
  const { rank, size, jobId } = space;
  if (size === 1) return soloSegment(jobId, rank);
  const token = randomHex(16);
  const name = `dreg-mpi/${jobId}/${rank}/${token}`;
  const socket = check(addon().fdSocketBind(name), 'bind', 'making a socket for the segment');
  try {
    const node = nodeIdentity();
    space.put(
      `dreg.shm.${rank}`,
      JSON.stringify({ node, socket: name, cpus: ownCpus() } satisfies Address),
    );
    space.fence();
    const peers = localPeers(space, node);
    const ranks = peers.map((peer) => peer.rank);
    if (ranks.length > MAX_LOCAL_RANKS)
      throw new MpiError(
        'ERR_LAUNCH',
        `${ranks.length} ranks on one node; the limit is ${MAX_LOCAL_RANKS} (MAX_LOCAL_RANKS)`,
      );
    if (ranks.length === 1) return soloSegment(jobId, rank);
    const self = ranks.indexOf(rank);
    const cpus = new Set(peers.flatMap((peer) => peer.address.cpus));
    // Tells this job's leader from a stranger's message; who may send is decided by the sender's uid.
    const expected = peers[0].address.socket.slice(-32);
    let fds: number[];
    if (self === 0) {
      const made = createSegment(ranks.length, jobId);
      fds = [made.fd, ...made.bells];
      distribute(
        socket,
        peers.slice(1).map((peer) => peer.address),
        expected,
        fds,
      );
    } else {
      fds = receive(socket, expected, ranks[0], ranks.length);
    }
    const segment = new Segment(fds[0], fds.slice(1), ranks, self, cpus.size);
    verify(segment);
    return segment;
  } finally {
    addon().closeFd(socket);
  }
}

function localPeers(space: KeyValueSpace, node: string): { rank: number; address: Address }[] {
  const peers: { rank: number; address: Address }[] = [];
  for (let rank = 0; rank < space.size; rank++) {
    const value = space.get(`dreg.shm.${rank}`);
    if (value === undefined)
      throw new MpiError('ERR_LAUNCH', `rank ${rank} published no address`, { peer: rank });
    const address = JSON.parse(value) as Address;
    if (address.node === node) peers.push({ rank, address });
  }
  return peers;
}
