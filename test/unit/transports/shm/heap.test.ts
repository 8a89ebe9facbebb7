/** Memory that ranks share, MPI.allocate(): how long it lasts, and what holds it. */
import {
  closeSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readFileSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { addon } from '../../../../native/addon.ts';
import type { MpiError } from '../../../../runtime/base/error.ts';
import { SHARED_BUFFER_VERSIONS } from '../../../../runtime/memory/room.ts';
import {
  freeMemory,
  Heap,
  noMemory,
  SHARED_GARBAGE_BYTES,
  type SharedMemory,
} from '../../../../transports/shm/heap.ts';
import { HEAP_WINDOWS_MAX } from '../../../../transports/shm/heap-windows.ts';
import { HEAP_EXTENT_BYTES, PAGE_BYTES } from '../../../../transports/shm/layout.ts';
import { createSegment, Segment } from '../../../../transports/shm/segment.ts';
import { ShmTransport } from '../../../../transports/shm/transport.ts';
import { newRemoteAccess } from '../../../../transports/transport.ts';
import { ShmGroup } from '../../../conformance/transports/shm-group.ts';
import { hasSharedBuffers } from '../../../tools/shared-buffers.ts';

const MIB = 2 ** 20;
const groups: ShmGroup[] = [];

function open(ranks = 1): ShmGroup {
  const group = new ShmGroup(ranks);
  groups.push(group);
  return group;
}

afterEach(() => {
  for (const group of groups.splice(0)) group.close();
});

/** Called in a function of its own, so that nothing on the stack holds what it made. */
function within<T>(work: () => T): T {
  return work();
}

const collect = () => addon().collectGarbage();

function codeOf(work: () => unknown): string | undefined {
  try {
    work();
  } catch (error) {
    return (error as MpiError).code;
  }
  return undefined;
}

describe('without a turn of the event loop', () => {
  test('what nobody uses any more is given back', () => {
    const group = open();
    const [{ heap }] = group.transports;
    const before = group.memory;
    within(() => heap.allocate(MIB));
    expect(group.memory - before).toBe(MIB);
    collect();
    expect(group.memory).toBe(before);
    expect(heap.bytes).toBe(0);
  });

  test('where room is short, what nobody uses goes before an allocation fails', () => {
    const group = open();
    let most = 0;
    const heap = new Heap(group.segments[0], () => 64 * MIB - group.memory);
    for (let i = 0; i < 100; i++) {
      const bytes = new Uint8Array(heap.allocate(8 * MIB));
      expect([bytes[0], bytes[8 * MIB - 1]]).toEqual([0, 0]);
      bytes.fill(i);
      most = Math.max(most, group.memory);
    }
    expect(most).toBeLessThanOrEqual(64 * MIB);
  });

  test('a peer keeps no more of its windows than it may', () => {
    const group = open(2);
    const [a, b] = group.transports;
    const access = newRemoteAccess();
    const channel = a.connect(1);
    const into = new Uint8Array(8);
    const from = b.connect(0);
    const sparse = within(() => a.heap.allocate(8));
    channel.exportMemory(new Uint8Array(sparse), 0, 8, 'pull', access);
    // Far more of them than are kept, of a file that has no memory there.
    ftruncateSync(group.files.heaps, 200 * 64 * MIB);
    for (let window = 0; window < 200; window++)
      from.pull(access, window * 64 * MIB, into, 0, 8, () => {});
    collect();
    channel.revoke(access);
    // Other threads of this process have files of the same name.
    const { ino } = fstatSync(group.files.heaps);
    const mapped = readFileSync('/proc/self/maps', 'utf8').match(
      new RegExp(` ${ino} +/memfd:`, 'g'),
    );
    expect(mapped?.length).toBeLessThanOrEqual(HEAP_WINDOWS_MAX + 1);
  });
});

test('what is used is ERR_NO_MEM where room is short, and nothing of a failed one stays', () => {
  const group = open();
  const heap = new Heap(group.segments[0], () => 32 * MIB - group.memory);
  const kept = [1, 2, 3].map(() => heap.allocate(8 * MIB));
  const before = group.memory;
  expect(() => heap.allocate(16 * MIB)).toThrow(
    expect.objectContaining({ code: 'ERR_NO_MEM', message: expect.stringContaining('cgroup') }),
  );
  expect(group.memory).toBe(before);
  // The rest of it can still be had, and lies nowhere else.
  new Uint8Array(heap.allocate(4 * MIB)).fill(1);
  for (const buffer of kept) expect(new Uint8Array(buffer).every((byte) => byte === 0)).toBe(true);
});

test('what was used when room was short last, and is not any more, goes as well', () => {
  const group = open();
  const heap = new Heap(group.segments[0], () => 32 * MIB - group.memory);
  let kept: ArrayBuffer[] | null = [1, 2, 3].map(() => heap.allocate(8 * MIB));
  expect(codeOf(() => heap.allocate(16 * MIB))).toBe('ERR_NO_MEM');
  expect(kept).toHaveLength(3);
  kept = null;
  expect(heap.allocate(16 * MIB).byteLength).toBe(16 * MIB);
});

test('an allocation that turns out too large on its way leaves nothing', () => {
  const group = open();
  // Another rank takes what is left, meanwhile.
  const lefts = [200 * MIB, 0, 0, 0];
  const heap = new Heap(group.segments[0], () => lefts.shift() ?? 0);
  const before = group.memory;
  expect(codeOf(() => heap.allocate(128 * MIB))).toBe('ERR_NO_MEM');
  expect(group.memory).toBe(before);
  expect(heap.bytes).toBe(0);
});

test('heaps of two ranks grow in turn, and no range is given twice', () => {
  const group = open(2);
  const kept: [Uint8Array, number][] = [];
  for (let i = 0; i < 12; i++) {
    const { heap } = group.transports[i % 2];
    // Some fit into what is left of an extent, some need more than one.
    const length = i % 5 === 0 ? HEAP_EXTENT_BYTES + PAGE_BYTES : 3 * MIB + i;
    kept.push([new Uint8Array(heap.allocate(length)).fill(i + 1), i + 1]);
    if (i % 4 === 3) {
      kept.splice(1, 1);
      collect();
    }
  }
  for (const [bytes, value] of kept) expect(bytes.every((byte) => byte === value)).toBe(true);
});

test('shared arrays that nobody has are collected, on a Node that makes them', () => {
  const group = open();
  const [{ heap }] = group.transports;
  const before = group.memory;
  if (!hasSharedBuffers())
    expect(() => heap.allocateShared(16 * MIB)).toThrow(SHARED_BUFFER_VERSIONS);
  for (let done = 0; hasSharedBuffers() && done < 2 * SHARED_GARBAGE_BYTES; done += 16 * MIB) {
    within(() => heap.allocateShared(16 * MIB));
    expect(group.memory - before).toBeLessThanOrEqual(SHARED_GARBAGE_BYTES);
  }
  collect();
  heap.takeBack();
  expect(group.memory).toBe(before);
});

describe('memory that was moved to another ArrayBuffer', () => {
  const moved = (heap: Heap, value: number): Uint8Array =>
    within(() => {
      const buffer = heap.allocate(MIB);
      new Uint8Array(buffer).fill(value);
      const [got] = structuredClone([buffer], { transfer: [buffer] });
      expect(buffer.byteLength).toBe(0);
      return new Uint8Array(got);
    });

  test('is nobody else’s while that lives, whatever became of the old one', async () => {
    const { heap } = open().transports[0];
    const bytes = moved(heap, 0xaa);
    collect();
    await new Promise((resolve) => setImmediate(resolve));
    collect();
    const others = Array.from({ length: 4 }, () => new Uint8Array(heap.allocate(MIB)).fill(0x55));
    expect(bytes.every((byte) => byte === 0xaa)).toBe(true);
    bytes.fill(1);
    for (const other of others) expect(other.every((byte) => byte === 0x55)).toBe(true);
  });

  test('ends with it', () => {
    const group = open();
    const before = group.memory;
    within(() => moved(group.transports[0].heap, 1));
    collect();
    expect(group.memory).toBe(before);
  });

  test('cannot be freed by the old one, and disposing of that does nothing', () => {
    const { heap } = open().transports[0];
    const buffer = heap.allocate(MIB);
    new Uint8Array(buffer).fill(3);
    const [got] = structuredClone([buffer], { transfer: [buffer] });
    buffer[Symbol.dispose]();
    expect(codeOf(() => freeMemory(buffer))).toBe('ERR_BUFFER');
    expect(new Uint8Array(got).every((byte) => byte === 3)).toBe(true);
  });
});

describe('freeing', () => {
  test('gives the memory back at once, and detaches the buffer', () => {
    const group = open();
    const before = group.memory;
    const buffer = group.transports[0].heap.allocate(MIB);
    freeMemory(buffer);
    expect(group.memory).toBe(before);
    expect(buffer.byteLength).toBe(0);
    expect(codeOf(() => freeMemory(buffer))).toBe('ERR_BUFFER');
    expect(group.transports[0].heap.bytes).toBe(0);
  });

  test('a buffer that is not of MPI.allocate() is ERR_BUFFER, and stays', () => {
    const mine = new ArrayBuffer(8);
    for (const wrong of [mine, null, 7, new Uint8Array(8)])
      expect(codeOf(() => freeMemory(wrong as ArrayBuffer))).toBe('ERR_BUFFER');
    expect(mine.byteLength).toBe(8);
  });

  test('`using` frees it at the end of its block, after MPI.free() as well', () => {
    const group = open();
    const before = group.memory;
    const { heap } = group.transports[0];
    const work = (free: boolean): SharedMemory => {
      using buffer = heap.allocate(MIB);
      if (free) freeMemory(buffer);
      return buffer;
    };
    for (const free of [false, true]) expect(work(free).byteLength).toBe(0);
    expect(group.memory).toBe(before);
  });

  test('no bytes are freed once, as others are', () => {
    const nothing = noMemory();
    freeMemory(nothing);
    expect(codeOf(() => freeMemory(nothing))).toBe('ERR_BUFFER');
    nothing[Symbol.dispose]();
  });

  test('what a peer may still read stays until it has', () => {
    const group = open(2);
    const [a, b] = group.transports;
    const access = newRemoteAccess();
    const channel = a.connect(1);
    const buffer = a.heap.allocate(MIB);
    new Uint8Array(buffer).fill(9);
    channel.exportMemory(new Uint8Array(buffer), 0, MIB, 'pull', access);
    freeMemory(buffer);
    new Uint8Array(a.heap.allocate(MIB)).fill(1);
    const got = new Uint8Array(MIB);
    b.connect(0).pull(access, 0, got, 0, MIB, () => {});
    expect(got.every((byte) => byte === 9)).toBe(true);
    channel.revoke(access);
    expect(a.heap.bytes).toBe(MIB);
  });

  test('whoever keeps something for the memory hears of its end', () => {
    const { heap } = open().transports[0];
    const ended: string[] = [];
    within(() => heap.allocate(8, () => () => ended.push('collected')));
    const buffer = heap.allocate(8, () => () => ended.push('freed'));
    freeMemory(buffer);
    heap.takeBack();
    expect(ended).toEqual(['freed']);
    collect();
    heap.takeBack();
    expect(ended).toEqual(['freed', 'collected']);
  });
});

test('memory that ends after its segment was closed touches no other file', () => {
  const files = createSegment(1, 'test');
  const numbers = [files.rings, files.heaps, ...files.doorbells];
  const transport = new ShmTransport(new Segment(files, [0], 0, 1));
  within(() => transport.heap.allocate(MIB));
  const kept = transport.heap.allocate(MIB);
  transport.close();
  const name = join(tmpdir(), `dreg-mpi-heap-${process.pid}`);
  const mine = numbers.map(() => openSync(name, 'w+'));
  unlinkSync(name);
  // The numbers of the closed descriptors are those of the program's own file.
  expect(mine).toEqual(expect.arrayContaining(numbers));
  writeSync(mine[0], Buffer.alloc(4 * MIB, 0xaa));
  collect();
  freeMemory(kept);
  expect(readFileSync(mine[1]).every((byte) => byte === 0xaa)).toBe(true);
  for (const fd of mine) closeSync(fd);
  expect(() => transport.heap.allocate(8)).toThrow();
});

describe('the files of a segment', () => {
  test('can grow, and cannot be made shorter by anybody', () => {
    const { rings, heaps } = open(2).files;
    for (const fd of [rings, heaps]) {
      ftruncateSync(fd, 64 * MIB);
      expect(() => ftruncateSync(fd, 4096)).toThrow(expect.objectContaining({ code: 'EPERM' }));
    }
  });

  test('that may be made shorter, or are too short already, are not joined', () => {
    const { rings, heaps, doorbells } = open(2).files;
    const join = (files: { rings: number; heaps: number }, ranks = [0, 1]) =>
      codeOf(() => new Segment({ ...files, doorbells }, ranks, 0, 2));
    expect(join({ rings, heaps })).toBeUndefined();
    const unsealed = addon().segmentCreate('dreg-mpi test', 64 * MIB);
    expect(join({ rings: unsealed, heaps })).toBe('ERR_LAUNCH');
    expect(join({ rings, heaps: unsealed })).toBe('ERR_LAUNCH');
    expect(join({ rings, heaps }, [0, 1, 2, 3])).toBe('ERR_LAUNCH');
    addon().closeFd(unsealed);
  });
});
