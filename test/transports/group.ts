/** Several ranks of one segment within this process: each has its own transport, as processes would. */
import { readdirSync } from 'node:fs';
import { addon } from '../../native/addon.ts';
import { check } from '../../runtime/base/error.ts';
import { Engine } from '../../runtime/messaging/engine.ts';
import { SelfTransport } from '../../transports/self/transport.ts';
import {
  CONTROL,
  CONTROL_BYTES,
  controlOffset,
  PAGE_BYTES,
  PRESENT,
  REGION_BYTES,
  regionOffset,
  segmentBytes,
} from '../../transports/shm/layout.ts';
import { Segment } from '../../transports/shm/segment.ts';
import { ShmTransport } from '../../transports/shm/transport.ts';

/** Bells are shared within the process: the group closes them once. */
class LocalSegment extends Segment {
  override close(): void {}
}

export class ShmGroup {
  readonly fd: number;
  readonly bells: number[];
  readonly transports: ShmTransport[];
  readonly segments: Segment[];

  constructor(ranks: number) {
    const native = addon();
    this.fd = check(native.segmentCreate('dreg-mpi test', segmentBytes(ranks)), 'memfd', 'a test');
    check(
      native.segmentReserve(this.fd, 0, PAGE_BYTES + ranks * CONTROL_BYTES),
      'fallocate',
      'a test',
    );
    this.bells = Array.from({ length: ranks }, () => native.eventfdCreate());
    const world = this.bells.map((_, rank) => rank);
    this.segments = world.map((rank) => new LocalSegment(this.fd, this.bells, world, rank, ranks));
    for (const segment of this.segments) {
      const control = segment.control(segment.self);
      control[CONTROL.pid] = process.pid;
      Atomics.store(control, CONTROL.presence, PRESENT);
    }
    this.transports = this.segments.map((segment) => new ShmTransport(segment));
  }

  /** Bytes of memory in the segment. */
  get memory(): number {
    const stat = addon().segmentStat(this.fd);
    if (typeof stat === 'number') throw check(stat, 'fstat', 'a test');
    return stat[1];
  }

  /** The rings from one rank to another, to be read and spoilt. */
  region(from: number, to: number): ArrayBuffer {
    const offset = regionOffset(this.bells.length, from, to);
    return this.segments[0].map(offset, REGION_BYTES, 'a test');
  }

  control(rank: number): Int32Array {
    return new Int32Array(this.segments[0].map(controlOffset(rank), CONTROL_BYTES, 'a test'));
  }

  close(): void {
    for (const transport of this.transports) transport.close();
    for (const fd of [this.fd, ...this.bells]) addon().closeFd(fd);
  }
}

/** A message engine for each rank of a group. */
export function engines(
  group: ShmGroup,
  singleCopy: 'auto' | 'always' | 'never' = 'auto',
): Engine[] {
  return group.transports.map(
    (node, rank) =>
      new Engine({
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
