/** Several ranks of one segment within this process: each has its own transport, as processes would. */
import { readdirSync } from 'node:fs';
import { addon } from '../../../native/addon.ts';
import { check } from '../../../runtime/base/error.ts';
import type { Engine } from '../../../runtime/messaging/engine.ts';
import { SelfTransport } from '../../../transports/self/transport.ts';
import { CONTROL, PRESENT } from '../../../transports/shm/layout.ts';
import { createSegment, Segment, type SegmentFiles } from '../../../transports/shm/segment.ts';
import { ShmTransport } from '../../../transports/shm/transport.ts';
import { BareEngine } from '../../tools/bare-engine.ts';

/** Bells are shared within the process: the group closes them once. */
class LocalSegment extends Segment {
  override close(): void {}
}

export class ShmGroup {
  readonly files: SegmentFiles;
  readonly transports: ShmTransport[];
  readonly segments: Segment[];

  constructor(ranks: number) {
    this.files = createSegment(ranks, 'test');
    const world = this.files.doorbells.map((_, rank) => rank);
    this.segments = world.map((rank) => new LocalSegment(this.files, world, rank, ranks));
    for (const segment of this.segments) {
      const control = segment.control(segment.self);
      control[CONTROL.pid] = process.pid;
      Atomics.store(control, CONTROL.presence, PRESENT);
    }
    this.transports = this.segments.map((segment) => new ShmTransport(segment));
  }

  /** Bytes of memory in the segment. */
  get memory(): number {
    const { rings, heaps } = this.files;
    return [rings, heaps].reduce((sum, fd) => {
      const stat = addon().segmentStat(fd);
      if (typeof stat === 'number') throw check(stat, 'fstat', 'a test');
      return sum + stat[1];
    }, 0);
  }

  /** The rings from one rank to another, to be read and spoilt. */
  region(from: number, to: number): ArrayBuffer {
    return this.segments[0].region(from, to);
  }

  control(rank: number): Int32Array {
    return this.segments[0].control(rank);
  }

  close(): void {
    for (const transport of this.transports) transport.close();
    const { rings, heaps, doorbells } = this.files;
    for (const fd of [rings, heaps, ...doorbells]) addon().closeFd(fd);
  }
}

/** A message engine for each rank of a group. */
export function engines(
  group: ShmGroup,
  singleCopy: 'auto' | 'always' | 'never' = 'auto',
): Engine[] {
  return group.transports.map(
    (node, rank) =>
      new BareEngine({
        rank,
        size: group.transports.length,
        self: new SelfTransport(rank),
        node,
        spinPolls: 10,
        spinMs: 1,
        singleCopy,
        rendezvous: 'auto',
      }),
  );
}

/** Descriptors that this process has open. */
export const openDescriptors = () => readdirSync('/proc/self/fd').length;
