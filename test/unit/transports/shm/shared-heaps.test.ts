/** What a peer says of its shared heap is not believed: the file must be the one that it names, and safe to map. */
import { closeSync, fstatSync, openSync, readdirSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { addon } from '../../../../native/addon.ts';
import { CONTROL, CONTROL_BYTES } from '../../../../transports/shm/layout.ts';
import { SharedHeaps } from '../../../../transports/shm/shared-heaps.ts';
import { helpers } from '../../../tools/native/helpers.ts';

const MIB = 2 ** 20;
/** fcntl(2), and what native/heap/region.c seals. */
const SYS_FCNTL = 72;
const F_ADD_SEALS = 1033;
const SEALS = 7;
const PEER = 3;

let fd = -1;
beforeEach(() => {
  fd = addon().segmentCreate('heap', 2 * MIB);
});
afterEach(() => closeSync(fd));

const descriptors = () => readdirSync('/proc/self/fd').length;

function controlOf(file: number, more: Partial<Record<keyof typeof CONTROL, number>> = {}) {
  const control = new Int32Array(CONTROL_BYTES / 4);
  control[CONTROL.pid] = process.pid;
  control[CONTROL.heapFd] = file;
  control[CONTROL.heapUnits] = 1;
  control[CONTROL.heapInodeLow] = fstatSync(file).ino | 0;
  for (const [name, value] of Object.entries(more))
    control[CONTROL[name as keyof typeof CONTROL]] = value;
  return control;
}

function isMapped(peer: Int32Array): boolean {
  const before = descriptors();
  const heaps = new SharedHeaps(new Int32Array(CONTROL_BYTES / 4), 1);
  heaps.meet(PEER, peer);
  const mapped = heaps.peer(PEER) !== undefined;
  expect(peer[CONTROL.heapMapped + 1]).toBe(mapped ? 1 : 0);
  heaps.close();
  expect(descriptors()).toBe(before);
  return mapped;
}

test('a peer without a heap, one that has ended, and a descriptor that is closed', () => {
  expect(isMapped(controlOf(fd, { heapUnits: 0 }))).toBe(false);
  // Above what the kernel gives.
  expect(isMapped(controlOf(fd, { pid: 2 ** 22 + 1 }))).toBe(false);
  expect(isMapped(controlOf(fd, { heapFd: 2 ** 20 }))).toBe(false);
});

test('another file than the one that is named, or of another length', () => {
  expect(isMapped(controlOf(fd, { heapInodeLow: 1 }))).toBe(false);
  expect(isMapped(controlOf(fd, { heapUnits: 2 }))).toBe(false);
  const plain = openSync('/proc/self/exe', 'r');
  expect(isMapped(controlOf(plain))).toBe(false);
  closeSync(plain);
});

test('a file that may become shorter, or longer', () => {
  expect(isMapped(controlOf(fd))).toBe(false);
  addon().segmentSeal(fd);
  expect(isMapped(controlOf(fd))).toBe(false);
});

test('one that may not is mapped', () => {
  expect(helpers().call(SYS_FCNTL, fd, F_ADD_SEALS, SEALS)).toBe(0);
  expect(isMapped(controlOf(fd))).toBe(true);
  expect(isMapped(controlOf(fd, { heapInodeLow: 1 }))).toBe(false);
});
