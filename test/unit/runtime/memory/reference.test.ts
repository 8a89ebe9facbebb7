/** What the reference shows of dreg-mpi/memory: each case is the example of the names that it is called by. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, test } from 'vitest';
import {
  ACCESS,
  type Access,
  type Domain,
  type Lease,
  type Limits,
  type ManagerOptions,
  MONITORS,
  type Monitor,
  type MonitorName,
  type MonitorOptions,
  MpiError,
  type Operation,
  openMonitor,
  PinnedMemoryManager,
  type Reason,
  type Stats,
  UringDomain,
  type UringOperation,
  type UringOptions,
  uringRead,
  uringSend,
  uringWrite,
  type View,
} from '../../../../runtime/memory/index.ts';
import { needUserfaultfdAndUring } from '../../../tools/needs.ts';

needUserfaultfdAndUring();

const folder = mkdtempSync(join(tmpdir(), 'dreg-reference-'));
/** A file for reading and writing. */
const fd = openSync(join(folder, 'file'), 'w+');
afterAll(() => {
  closeSync(fd);
  rmSync(folder, { recursive: true });
});

/** Two ends of a connection, and the descriptor of the first. */
async function connected(): Promise<{ far: Socket; socketFd: number; end(): void }> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const near = connect((server.address() as { port: number }).port, '127.0.0.1');
  const [[far]] = (await Promise.all([once(server, 'connection'), once(near, 'connect')])) as [
    [Socket],
    unknown,
  ];
  const end = () => {
    for (const one of [near, far, server]) 'destroy' in one ? one.destroy() : one.close();
  };
  return { far, socketFd: (near as unknown as { _handle: { fd: number } })._handle.fd, end };
}

const cases: Record<string, () => void | Promise<void>> = {
  async 'PinnedMemoryManager, new PinnedMemoryManager, ManagerOptions, pinnedMemoryManager.acquire, pinnedMemoryManager.post, pinnedMemoryManager.close, Lease, lease.release, View, uringWrite'() {
    const parts: ManagerOptions<UringOperation> = {
      monitor: openMonitor(),
      domain: new UringDomain(),
    };
    const manager = new PinnedMemoryManager(parts); // Or `using manager = …`, which closes it.
    const bytes: View = Buffer.from('some text');
    const lease: Lease = manager.acquire(bytes, ACCESS.localRead);
    const moved = await new Promise((done) => {
      const answer = manager.post(uringWrite(fd, done, 0), lease);
      if (answer < 0) done(answer); // A negative errno: it has not begun.
    });
    lease.release();
    manager.close();
    assert.equal(moved, 9);
  },

  async 'ACCESS, Access, uringRead'() {
    using manager = new PinnedMemoryManager({ monitor: openMonitor(), domain: new UringDomain() });
    const access: Access = ACCESS.localWrite; // The device writes into the memory.
    const bytes = new Uint8Array(4);
    using lease = manager.acquire(bytes, access);
    const moved = await new Promise((done) => manager.post(uringRead(fd, done, 5), lease));
    assert.deepEqual([moved, String(Buffer.from(bytes))], [4, 'text']);
  },

  async uringSend() {
    const domain = new UringDomain();
    using manager = new PinnedMemoryManager({ monitor: openMonitor(), domain });
    const { far, socketFd, end } = await connected();
    using lease = manager.acquire(Buffer.from('without a copy'), ACCESS.localRead);
    if (domain.canSend) {
      // Called once the kernel has let go of the memory, which may then be written again.
      const moved = await new Promise((done) => manager.post(uringSend(socketFd, done), lease));
      assert.equal(moved, 14);
      assert.equal(String((await once(far, 'data'))[0]), 'without a copy');
    }
    end();
  },

  'Operation, operation.done, UringOperation, uringDomain.wait, uringDomain.poll'() {
    const domain = new UringDomain();
    using manager = new PinnedMemoryManager({ monitor: openMonitor(), domain });
    using lease = manager.acquire(new Uint8Array(100), ACCESS.localRead);
    let moved = 0;
    const operation: UringOperation & Operation = {
      ...{ kind: 'write', direction: 'out', fd, position: 0 },
      done(result) {
        moved = result;
      },
    };
    manager.post(operation, lease);
    // The event loop calls `done` by itself. A thread that blocks calls this:
    while (domain.underWay > 0) if (domain.poll() === 0) domain.wait(1000);
    assert.equal(moved, 100);
  },

  'UringDomain, new UringDomain, UringDomain.probe, UringOptions'() {
    const { canSend } = UringDomain.probe(); // ERR_UNSUPPORTED where there is no io_uring.
    const sizes: UringOptions = { entries: 16, buffers: 64 };
    const domain = new UringDomain(sizes);
    assert.equal(domain.canSend, canSend);
    new PinnedMemoryManager({ monitor: openMonitor('none'), domain }).close(); // Closes it, too.
  },

  'Domain, domain.attach, uringDomain.attach'() {
    const domain: Domain<UringOperation> = new UringDomain();
    using _manager = new PinnedMemoryManager({ monitor: openMonitor(), domain }); // Attaches it.
    assert.throws(() => domain.attach(), { code: 'ERR_ARG' });
  },

  'pinnedMemoryManager.stats, Stats, pinnedMemoryManager.flush, Limits'() {
    const limits: Limits = { bytes: 2 ** 20, regions: 16 };
    const monitor = openMonitor();
    using manager = new PinnedMemoryManager({ monitor, domain: new UringDomain(), limits });
    const bytes = new Uint8Array(10_000);
    for (let i = 0; i < 3; i++) manager.acquire(bytes).release();
    const stats: Stats = manager.stats();
    assert.equal(stats.hitsIdentity + stats.hitsAddress, monitor.caches ? 2 : 0);
    assert.equal(manager.flush(), monitor.caches ? 1 : 0); // Regions that were deregistered.
  },

  'pinnedMemoryManager.keep'() {
    using manager = new PinnedMemoryManager({
      monitor: openMonitor('none'),
      domain: new UringDomain(),
    });
    const memory = new ArrayBuffer(2 ** 20);
    const end = manager.keep(memory, ACCESS.localWrite); // null where it cannot be registered.
    using lease = manager.acquire(new Uint8Array(memory, 4096, 100));
    assert.equal(lease.registered, end !== null);
    lease.release();
    end?.();
  },

  'openMonitor, MONITORS, MonitorName, MonitorOptions'() {
    const why: string[] = [];
    const options: MonitorOptions = {
      slots: 256,
      rejected: (name: MonitorName, error) => why.push(`${name}: ${error.message}`),
    };
    const monitor = openMonitor('auto', options); // The first one that works, and why not the others.
    assert.equal(MONITORS[why.length], monitor.name);
    monitor.close();
  },

  'Monitor, Reason, monitor.monitor, monitor.unmonitor, monitor.unmonitorBatch, monitor.drain, monitor.fence, monitor.close'() {
    // Managers call these. Here something stands between a manager and its monitor, and counts.
    const inner = openMonitor();
    const { name, caches, slots, header, deltaIndex, busyIndex, flags, ring } = inner;
    const { wakeFd, fenceAlways } = inner;
    let watched = 0;
    const monitor: Monitor = {
      ...{ name, caches, slots, header, deltaIndex, busyIndex, flags, ring, wakeFd, fenceAlways },
      monitor(slot, address, length) {
        watched++;
        return inner.monitor(slot, address, length);
      },
      unmonitor: (slot) => inner.unmonitor(slot),
      unmonitorBatch: (list, count, fired) => inner.unmonitorBatch(list, count, fired),
      drain: (reasons) => inner.drain(reasons), // By Reason: 'unmap', 'clear', …
      fence: () => inner.fence(),
      close: () => inner.close(),
    };
    using manager = new PinnedMemoryManager({ monitor, domain: new UringDomain() });
    manager.acquire(new Uint8Array(10_000)).release();
    const counted: Record<Reason, number> = manager.stats().invalidationsByReason;
    assert.equal(watched, caches ? 1 : 0);
    assert.ok(counted.unmap >= 0);
  },

  'MpiError, new MpiError'() {
    try {
      new UringDomain({ entries: 0 });
      assert.fail();
    } catch (error) {
      if (!(error instanceof MpiError)) throw error;
      assert.equal(error.code, 'ERR_ARG');
      assert.equal(new MpiError(error.code, 'the same').code, 'ERR_ARG');
    }
  },
};

test.each(Object.entries(cases))('%s', (_names, run) => run());
