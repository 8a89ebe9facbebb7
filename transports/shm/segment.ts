/** The shared segment of a job's ranks on one node, as files that have no name (docs/internals/shm.md). */
import { constants } from 'node:os';
import { addon } from '../../native/addon.ts';
import { check, MpiError } from '../../runtime/base/error.ts';
import {
  CONTROL_BYTES,
  controlOffset,
  HEADER,
  PAGE_BYTES,
  REGION_BYTES,
  regionOffset,
  SEGMENT_MAGIC,
  SEGMENT_VERSION,
} from './layout.ts';

/** A segment's descriptors, in the order in which they travel. */
export interface SegmentFiles {
  /** Header, control pages and rings. */
  rings: number;
  heaps: number;
  /** eventfds, one for each local rank. */
  doorbells: number[];
}

/** A rank's hold on the segment. Ranks in here are *local* ones: indices into `ranks`. */
export class Segment {
  readonly doorbells: number[];
  /** World ranks of the job's ranks on this node, ascending. */
  readonly ranks: number[];
  /** This rank's index in `ranks`. */
  readonly self: number;
  /** CPUs that the ranks may run on, all together. */
  readonly cpus: number;
  /** Each rank's node, by world rank: the same text for ranks of one; empty in a world of one. */
  nodes: readonly string[] = [];
  readonly #header: Int32Array;
  /** -1 once they are closed: their numbers are somebody else's then. */
  #rings: number;
  #heaps: number;
  /** The known length of the heaps' file, which never shrinks. */
  #heapsEnd = 0;

  /** @throws MpiError ERR_LAUNCH where the files are no segment of these ranks */
  /** More ranks than CPUs. All ranks get the same answer. */
  get isCrowded(): boolean {
    return this.ranks.length > this.cpus;
  }

  constructor(files: SegmentFiles, ranks: number[], self: number, cpus: number) {
    this.cpus = cpus;
    this.#rings = files.rings;
    this.#heaps = files.heaps;
    this.doorbells = files.doorbells;
    this.ranks = ranks;
    this.self = self;
    verify(files, ranks.length);
    this.#header = new Int32Array(this.#map(this.#rings, 0, PAGE_BYTES, 'mapping the segment'));
    const [magic, version, count] = this.#header;
    if (magic !== SEGMENT_MAGIC || version !== SEGMENT_VERSION || count !== ranks.length)
      throw new MpiError(
        'ERR_LAUNCH',
        `the shared segment is of version ${version} for ${count} ranks, not ${SEGMENT_VERSION} for ${ranks.length}: let all ranks run the same version of dreg-mpi`,
      );
  }

  /** The descriptor of the heaps' file. */
  get heapFile(): number {
    return this.#heaps;
  }

  /** Gives memory to a range of the heaps now, so that touching it later cannot raise SIGBUS. */
  reserveHeap(offset: number, bytes: number, purpose: string): void {
    reserve(this.#heaps, offset, bytes, purpose);
  }

  releaseHeap(offset: number, bytes: number): void {
    addon().segmentRelease(this.#heaps, offset, bytes);
  }

  control(local: number): Int32Array {
    const offset = controlOffset(local);
    return new Int32Array(this.#map(this.#rings, offset, CONTROL_BYTES, 'mapping a control page'));
  }

  /** Both ends do this: neither relies on the other for the memory. */
  region(from: number, to: number): ArrayBuffer {
    const pair = `the rings from rank ${this.ranks[from]} to rank ${this.ranks[to]}`;
    const offset = regionOffset(this.ranks.length, from, to);
    reserve(this.#rings, offset, REGION_BYTES, `making ${pair}`);
    return this.#map(this.#rings, offset, REGION_BYTES, `mapping ${pair}`);
  }

  /**
   * Makes extents of the heaps' file this rank's own.
   * @returns the number of the first one
   */
  claimExtents(count: number): number {
    return Atomics.add(this.#header, HEADER.extents, count);
  }

  /** Whether the heaps' file is at least this long. Nothing may touch memory behind the file's end. */
  heapsReach(end: number): boolean {
    if (end <= this.#heapsEnd) return true;
    const stat = addon().segmentStat(this.#heaps);
    if (typeof stat !== 'number') this.#heapsEnd = stat[0];
    return end <= this.#heapsEnd;
  }

  mapHeaps(offset: number, bytes: number): ArrayBuffer {
    return this.#map(this.#heaps, offset, bytes, "mapping a peer's shared memory");
  }

  #map(fd: number, offset: number, bytes: number, purpose: string): ArrayBuffer {
    const answer = addon().segmentMap(fd, offset, bytes);
    if (typeof answer === 'number') throw check(answer, 'mmap', purpose);
    return answer;
  }

  close(): void {
    closeFiles({ rings: this.#rings, heaps: this.#heaps, doorbells: this.doorbells });
    this.#rings = -1;
    this.#heaps = -1;
    this.doorbells.fill(-1);
  }
}

/** @throws MpiError ERR_NO_MEM where memory is short, or the files may not become so long */
function reserve(fd: number, offset: number, bytes: number, purpose: string): void {
  const answer = addon().segmentReserve(fd, offset, bytes);
  if (answer === -constants.errno.EFBIG)
    throw new MpiError(
      'ERR_NO_MEM',
      `${purpose}: the shared segment needs a file of ${offset + bytes} bytes, and this process may not make so long a file (fallocate: EFBIG): raise "ulimit -f"`,
      { errno: -answer, syscall: 'fallocate' },
    );
  check(answer, 'fallocate', purpose);
}

/**
 * Whether files that somebody hands us are safe to map: as long as what is read at once, and such that
 * nobody can make them shorter again, which would end whoever touches them by SIGBUS.
 */
function verify({ rings, heaps }: SegmentFiles, count: number): void {
  const stat = addon().segmentStat(rings);
  const long = typeof stat !== 'number' && stat[0] >= controlOffset(count);
  if (long && [rings, heaps].every((fd) => addon().segmentSealed(fd) === 1)) return;
  throw new MpiError(
    'ERR_LAUNCH',
    'the shared segment is too short, or not sealed against shrinking: let all ranks run the same version of dreg-mpi',
  );
}

export function ownCpus(): number[] {
  const cpus = addon().affinityGet();
  return typeof cpus === 'number' ? [] : cpus;
}

function createFile(name: string): number {
  const purpose = 'making the shared segment';
  const fd = check(addon().segmentCreate(name, 0), 'memfd_create', purpose);
  check(addon().segmentSeal(fd), 'fcntl(F_ADD_SEALS)', purpose);
  return fd;
}

export function closeFiles({ rings, heaps, doorbells }: SegmentFiles): void {
  for (const fd of [rings, heaps, ...doorbells]) if (fd >= 0) addon().closeFd(fd);
}

/** A segment of so many ranks that nobody has joined yet. */
export function createSegment(count: number, jobId: string): SegmentFiles {
  const native = addon();
  const files: SegmentFiles = { rings: -1, heaps: -1, doorbells: [] };
  try {
    files.rings = createFile(`dreg-mpi ${jobId}`);
    files.heaps = createFile(`dreg-mpi ${jobId} heaps`);
    reserve(files.rings, 0, controlOffset(count), 'making the shared segment');
    const header = native.segmentMap(files.rings, 0, PAGE_BYTES);
    if (typeof header === 'number') throw check(header, 'mmap', 'mapping the shared segment');
    const words = new Int32Array(header);
    words[HEADER.magic] = SEGMENT_MAGIC;
    words[HEADER.version] = SEGMENT_VERSION;
    words[HEADER.ranks] = count;
    for (let doorbell = 0; doorbell < count; doorbell++)
      files.doorbells.push(check(native.eventfdCreate(), 'eventfd', 'making a doorbell'));
    return files;
  } catch (error) {
    closeFiles(files);
    throw error;
  }
}

/** Takes the files, in any case. */
export function attach(files: SegmentFiles, ranks: number[], self: number, cpus: number): Segment {
  try {
    return new Segment(files, ranks, self, cpus);
  } catch (error) {
    closeFiles(files);
    throw error;
  }
}

/** A segment for a single process: MPI.allocate() and self-sends of a world of size 1. */
export function soloSegment(jobId: string, rank: number): Segment {
  return attach(createSegment(1, jobId), [rank], 0, ownCpus().length);
}
