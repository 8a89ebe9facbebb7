/** The io_uring domain through its manager: files, sockets, notifications, queues, ends. */

import { once } from 'node:events';
import { closeSync, openSync, readFileSync, readSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { addon } from '../../../../../native/addon.ts';
import type { MpiError } from '../../../../../runtime/base/error.ts';
import { ACCESS, NO_KEY } from '../../../../../runtime/memory/domain.ts';
import {
  UringDomain,
  type UringOperation,
  uringRead,
  uringSend,
  uringWrite,
} from '../../../../../runtime/memory/domains/uring.ts';
import { PinnedMemoryManager } from '../../../../../runtime/memory/manager.ts';
import { UserfaultfdMonitor } from '../../../../../runtime/memory/monitors/userfaultfd.ts';
import {
  bytesAt,
  helpers,
  map,
  ok,
  PAGE,
  PROT,
  SYS,
  unmap,
} from '../../../../tools/native/helpers.ts';
import { needUserfaultfdAndUring } from '../../../../tools/needs.ts';

needUserfaultfdAndUring();

const { EAGAIN, EBADF, ECANCELED, EFAULT, EOPNOTSUPP } = constants.errno;
const BYTES = 256 * 1024;

let domain: UringDomain;
let manager: PinnedMemoryManager<UringOperation>;

beforeEach(() => {
  domain = new UringDomain({ entries: 4 });
  manager = new PinnedMemoryManager({ domain, monitor: new UserfaultfdMonitor(), audit: true });
});

afterEach(() => {
  manager.close();
});

type Make = (done: (result: number) => void) => UringOperation;

/** Posts an operation and awaits it in the event loop. */
async function move(view: Uint8Array, make: Make, access: number = ACCESS.localRead) {
  const lease = manager.acquire(view, access);
  try {
    return await new Promise<number>((resolve) => {
      const answer = manager.post(make(resolve), lease);
      if (answer < 0) resolve(answer);
    });
  } finally {
    lease.release();
  }
}

const pattern = (length: number) => Uint8Array.from({ length }, (_, i) => (i * 7 + (i >> 8)) & 255);

/** Two ends of a TCP connection; the second one collects what it gets. */
async function tcpPair(): Promise<{
  client: Socket;
  fd: number;
  got: () => Uint8Array;
  end(): void;
}> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connect((server.address() as { port: number }).port, '127.0.0.1');
  const [[peer]] = (await Promise.all([once(server, 'connection'), once(client, 'connect')])) as [
    [Socket],
    unknown,
  ];
  const chunks: Buffer[] = [];
  peer.on('data', (chunk) => chunks.push(chunk));
  return {
    client,
    fd: (client as unknown as { _handle: { fd: number } })._handle.fd,
    got: () => Buffer.concat(chunks),
    end() {
      client.destroy();
      peer.destroy();
      server.close();
    },
  };
}

test('WRITE_FIXED and READ_FIXED on a file, at positions', async () => {
  const path = join(tmpdir(), `dreg-mpi-uring-${process.pid}`);
  writeFileSync(path, '');
  const fd = openSync(path, 'r+');
  try {
    const bytes = pattern(BYTES);
    expect(await move(bytes, (done) => uringWrite(fd, done, 1000))).toBe(BYTES);
    expect(readFileSync(path).subarray(1000).equals(bytes)).toBe(true);
    const back = new Uint8Array(BYTES);
    expect(await move(back, (done) => uringRead(fd, done, 1000), ACCESS.localWrite)).toBe(BYTES);
    expect(Buffer.compare(back, bytes)).toBe(0);
    expect(manager.stats()).toMatchObject({ misses: 2, uncached: 0 });
  } finally {
    closeSync(fd);
    rmSync(path);
  }
});

test('SEND_ZC on TCP: done is called once, when the kernel has let go of the memory', async () => {
  const pair = await tcpPair();
  try {
    const bytes = pattern(4 * 2 ** 20);
    const done = vi.fn();
    const sent = await move(bytes, (resolve) =>
      uringSend(pair.fd, (result) => {
        done(result);
        resolve(result);
      }),
    );
    expect(sent).toBe(bytes.length);
    await vi.waitUntil(() => pair.got().length === bytes.length, { timeout: 120_000 });
    expect(Buffer.compare(pair.got(), bytes)).toBe(0);
    expect(done).toHaveBeenCalledTimes(1);
    expect(domain.underWay).toBe(0);
  } finally {
    pair.end();
  }
});

test('SEND_ZC: until the notification the operation is under way, and the lease held', async () => {
  const pair = await tcpPair();
  try {
    pair.client.pause();
    const bytes = pattern(64 * 1024);
    const lease = manager.acquire(bytes, ACCESS.localRead);
    let result: number | undefined;
    let left = 0;
    manager.post(
      uringSend(pair.fd, (sent) => {
        result = sent;
        left = domain.poll();
      }),
      lease,
    );
    // One completion tells of the bytes, the next of the memory; `done` is called by the second.
    let completions = 0;
    while (result === undefined) completions += domain.wait(1000);
    expect(completions).toBe(2);
    expect(left).toBe(0);
    expect(result).toBe(bytes.length);
    lease.release();
  } finally {
    pair.end();
  }
});

test('SEND_ZC on a socket without it answers EOPNOTSUPP; WRITE_FIXED works there', async () => {
  const path = join(tmpdir(), `dreg-mpi-uring-${process.pid}.sock`);
  const server = createServer().listen(path);
  await once(server, 'listening');
  const client = connect(path);
  const [[peer]] = (await Promise.all([once(server, 'connection'), once(client, 'connect')])) as [
    [Socket],
    unknown,
  ];
  try {
    const { fd } = (client as unknown as { _handle: { fd: number } })._handle;
    const bytes = pattern(4096);
    expect(await move(bytes, (done) => uringSend(fd, done))).toBe(-EOPNOTSUPP);
    const received = once(peer, 'data') as Promise<[Buffer]>;
    expect(await move(bytes, (done) => uringWrite(fd, done))).toBe(bytes.length);
    expect((await received)[0]).toEqual(Buffer.from(bytes));
  } finally {
    client.destroy();
    peer.destroy();
    server.close();
  }
});

/** A pipe's ends: reading from it waits until something is written. */
function pipe(): [number, number] {
  const ends = new Int32Array(2);
  ok(helpers().call(293, addon().addressOf(ends), 0o2000000));
  return [ends[0], ends[1]];
}

test('a full queue answers EAGAIN, and takes operations again when one has completed', async () => {
  const [readEnd, writeEnd] = pipe();
  const buffer = new Uint8Array(4096);
  const lease = manager.acquire(buffer);
  const results: number[] = [];
  const read = () =>
    manager.post(
      uringRead(readEnd, (result) => results.push(result)),
      lease,
      0,
      1,
    );
  for (let i = 0; i < 4; i++) expect(read()).toBe(0);
  expect(read()).toBe(-EAGAIN);
  expect(domain.underWay).toBe(4);
  expect(await move(new Uint8Array(1), (done) => uringWrite(writeEnd, done))).toBe(-EAGAIN);
  writeFileSync(writeEnd, 'a');
  await vi.waitUntil(() => results.length === 1, { timeout: 120_000 });
  expect(read()).toBe(0);
  writeFileSync(writeEnd, 'bcde');
  await vi.waitUntil(() => results.length === 5, { timeout: 120_000 });
  expect(results).toEqual([1, 1, 1, 1, 1]);
  lease.release();
  closeSync(readEnd);
  closeSync(writeEnd);
});

test('close cancels what is under way: its done gets ECANCELED, once', async () => {
  const [readEnd, writeEnd] = pipe();
  const own = new UringDomain({ entries: 4 });
  const port = own.attach();
  const address = map(4096);
  const key = port.register(address, 4096, ACCESS.localWrite);
  expect(key).toBeGreaterThanOrEqual(0);
  const done = vi.fn();
  expect(port.post(uringRead(readEnd, done), key, address, 4096)).toBe(0);
  port.close();
  port.close();
  expect(done.mock.calls).toEqual([[-ECANCELED]]);
  expect(port.post(uringRead(readEnd, done), key, address, 4096)).toBe(-EBADF);
  unmap(address, 4096);
  closeSync(readEnd);
  closeSync(writeEnd);
});

test('a descriptor that is none: the operation fails with EBADF', async () => {
  expect(await move(new Uint8Array(4096), (done) => uringWrite(999_999, done))).toBe(-EBADF);
});

test('memory that cannot be registered is used without: read-only mappings, no key', async () => {
  const port = new UringDomain({ entries: 4 }).attach();
  const address = map(4096, { protection: PROT.read });
  expect(port.register(address, 4096, ACCESS.localRead)).toBe(-EFAULT);
  const [readEnd, writeEnd] = pipe();
  const result = await new Promise<number>((resolve) => {
    port.post(uringWrite(writeEnd, resolve), NO_KEY, address, 4096);
  });
  expect(result).toBe(4096);
  port.close();
  unmap(address, 4096);
  closeSync(readEnd);
  closeSync(writeEnd);
});

test('a table that is full says ENOSPC; a key that was given back is used again', () => {
  const port = new UringDomain({ entries: 4, buffers: 2 }).attach();
  const address = map(3 * 4096);
  const keys = [0, 1].map((page) => port.register(address + page * 4096, 4096, 0));
  expect(new Set(keys).size).toBe(2);
  expect(port.register(address + 8192, 4096, 0)).toBe(-constants.errno.ENOSPC);
  expect(port.deregister(keys[0])).toBe(0);
  expect(port.register(address + 8192, 4096, 0)).toBe(keys[0]);
  port.close();
  unmap(address, 3 * 4096);
});

/** Sends a view's bytes through a manager of its own into a file, and compares. */
async function sends(by: PinnedMemoryManager<UringOperation>, view: Uint8Array) {
  const fd = ok(addon().segmentCreate('dreg-mpi-test', view.length));
  const lease = by.acquire(view, ACCESS.localRead);
  const moved = await new Promise<number>((resolve) => {
    const answer = by.post(uringWrite(fd, resolve, 0), lease);
    if (answer < 0) resolve(answer);
  });
  const { registered } = lease;
  lease.release();
  const bytes = new Uint8Array(view.length);
  readSync(fd, bytes, 0, bytes.length, 0);
  closeSync(fd);
  expect(moved).toBe(view.length);
  expect(Buffer.compare(bytes, view)).toBe(0);
  return registered;
}

/** Buffers that do not touch each other: those that do become one registration. */
const apart = (count: number) =>
  Array.from({ length: count }, () => {
    const bytes = bytesAt(map(BYTES), BYTES);
    bytes.set(pattern(BYTES));
    return bytes;
  });

test('read-only mappings through the manager: sent without a registration, EFAULT to receive', async () => {
  const address = map(2 * PAGE);
  bytesAt(address, 2 * PAGE).set(pattern(2 * PAGE));
  ok(helpers().call(SYS.mprotect, address, 2 * PAGE, PROT.read));
  const view = bytesAt(address, 2 * PAGE);
  expect(await sends(manager, view)).toBe(false);
  expect(manager.stats()).toMatchObject({ plain: 1, bounced: 0, bytesPinned: 0 });
  const [readEnd, writeEnd] = pipe();
  writeFileSync(writeEnd, 'abc');
  expect(await move(view, (done) => uringRead(readEnd, done), ACCESS.localWrite)).toBe(-EFAULT);
  expect(Buffer.compare(view, pattern(2 * PAGE))).toBe(0);
  closeSync(readEnd);
  closeSync(writeEnd);
  unmap(address, 2 * PAGE);
});

test('more leases than the monitor has slots: served without the cache, until one is released', async () => {
  const monitor = new UserfaultfdMonitor({ slots: 2 });
  const few = new PinnedMemoryManager({ domain: new UringDomain({ entries: 4 }), monitor });
  const [view, ...others] = apart(3);
  const leases = others.map((other) => few.acquire(other));
  expect(await sends(few, view)).toBe(false);
  expect(few.stats()).toMatchObject({ regions: 2, uncached: 1, evictions: 0 });
  leases[0].release();
  expect(await sends(few, view)).toBe(true);
  expect(few.stats()).toMatchObject({ regions: 2, uncached: 1, evictions: 1 });
  leases[1].release();
  few.close();
  expect(few.stats().bytesPinned).toBe(0);
});

test('more leases than the table has fixed buffers: plain operations, until one is released', async () => {
  const own = new UringDomain({ entries: 4, buffers: 2 });
  const few = new PinnedMemoryManager({ domain: own, monitor: new UserfaultfdMonitor() });
  const [view, ...others] = apart(3);
  const leases = others.map((other) => few.acquire(other));
  expect(await sends(few, view)).toBe(false);
  expect(few.stats()).toMatchObject({ regionsLimit: 2, regions: 2, plain: 1, evictions: 0 });
  leases[0].release();
  expect(await sends(few, view)).toBe(true);
  expect(few.stats()).toMatchObject({ regions: 2, plain: 1, evictions: 1 });
  leases[1].release();
  few.close();
  expect(few.stats().bytesPinned).toBe(0);
});

test('one domain has one manager', () => {
  expect(() => domain.attach()).toThrowError(
    expect.objectContaining({ code: 'ERR_ARG' } satisfies Partial<MpiError>),
  );
});

test('its limits are checked', () => {
  for (const options of [{ entries: 0 }, { entries: 1.5 }, { buffers: 16385 }, { buffers: -1 }])
    expect(() => new UringDomain(options)).toThrowError(
      expect.objectContaining({ code: 'ERR_ARG' }),
    );
});
