/**
 * The shared heaps of a node's ranks (docs/internals/shared-heap.md): where a rank was started with one, its
 * large arrays lie in a file that its peers map, each when the other first writes to it.
 */
import { closeSync, openSync } from 'node:fs';
import { addon } from '../../native/addon.ts';
import { type SharedHeap, sharedHeap } from '../../native/shared-heap.ts';
import { check } from '../../runtime/base/error.ts';
import { type HeapFile, HeapWindows } from './heap-windows.ts';
import { CONTROL } from './layout.ts';

const TWO_32 = 2 ** 32;
/** A region's length is a multiple of this (HEAP_ALIGNMENT of native/heap/region.h). */
const HEAP_UNIT_BYTES = 2 * 2 ** 20;

/** A peer's file, and windows on it: for reading, and for writing where both ends copy. */
class PeerHeap implements HeapFile {
  readonly reading: HeapWindows;
  readonly writing: HeapWindows;
  readonly #fd: number;
  readonly #bytes: number;

  constructor(fd: number, bytes: number) {
    this.#fd = fd;
    this.#bytes = bytes;
    this.reading = new HeapWindows(this);
    this.writing = new HeapWindows({
      heapsReach: (end) => this.heapsReach(end),
      mapHeaps: (offset, length) => this.#map(offset, length, true),
    });
  }

  heapsReach(end: number): boolean {
    return end <= this.#bytes;
  }

  mapHeaps(offset: number, bytes: number): ArrayBuffer {
    return this.#map(offset, bytes, false);
  }

  #map(offset: number, bytes: number, writes: boolean): ArrayBuffer {
    const answer = addon().segmentMap(this.#fd, offset, bytes, writes);
    if (typeof answer === 'number') throw check(answer, 'mmap', "mapping a peer's shared heap");
    return answer;
  }

  close(): void {
    closeSync(this.#fd);
  }
}

export class SharedHeaps {
  readonly #own: SharedHeap | null;
  /** This rank's control page. */
  readonly #control: Int32Array;
  readonly #self: number;
  /** By local rank. */
  readonly #peers = new Map<number, PeerHeap>();

  constructor(control: Int32Array, self: number) {
    const own = sharedHeap();
    this.#own = typeof own === 'string' ? null : own;
    this.#control = control;
    this.#self = self;
  }

  /** Says in the control page where this rank's heap is. Before peers may read it. */
  publish(): void {
    if (this.#own === null) return;
    const { fd, inode, bytes } = this.#own;
    const control = this.#control;
    control[CONTROL.heapFd] = fd;
    control[CONTROL.heapInodeLow] = (inode % TWO_32) | 0;
    control[CONTROL.heapInodeHigh] = Math.floor(inode / TWO_32);
    control[CONTROL.heapUnits] = bytes / HEAP_UNIT_BYTES;
  }

  /** A peer has made contact, so that its control page is complete: opens its heap, if there is one. */
  meet(local: number, peer: Int32Array): void {
    if (peer[CONTROL.heapUnits] === 0) return;
    const fd = openHeap(peer);
    if (fd < 0) return;
    this.#peers.set(local, new PeerHeap(fd, peer[CONTROL.heapUnits] * HEAP_UNIT_BYTES));
    Atomics.store(peer, CONTROL.heapMapped + this.#self, 1);
  }

  /** Where an address lies in this rank's heap, if the peer maps that; else -1. */
  offsetOf(address: number, local: number): number {
    if (this.#own === null) return -1;
    const offset = address - this.#own.base;
    const inside = offset >= 0 && offset < this.#own.bytes;
    return inside && this.#control[CONTROL.heapMapped + local] === 1 ? offset : -1;
  }

  peer(local: number): PeerHeap | undefined {
    return this.#peers.get(local);
  }

  close(): void {
    for (const peer of this.#peers.values()) peer.close();
    this.#peers.clear();
  }
}

/**
 * The file of a peer's heap, by way of /proc; -1 where it cannot be had. It must be the one that the peer names, and
 * can never become shorter, which would end whoever touches it by SIGBUS.
 */
function openHeap(control: Int32Array): number {
  let fd = -1;
  try {
    fd = openSync(`/proc/${control[CONTROL.pid]}/fd/${control[CONTROL.heapFd]}`, 'r+');
  } catch {
    // Another pid namespace, or a process that must not be inspected.
    return -1;
  }
  const stat = addon().segmentStat(fd);
  const inode = (control[CONTROL.heapInodeLow] >>> 0) + control[CONTROL.heapInodeHigh] * TWO_32;
  const bytes = control[CONTROL.heapUnits] * HEAP_UNIT_BYTES;
  const same = typeof stat !== 'number' && stat[0] === bytes && stat[3] === inode;
  if (same && addon().segmentFixed(fd) === 1) return fd;
  closeSync(fd);
  return -1;
}
