/** A socket pair: one end is written and read through the pinned-memory manager, the other plainly. */
import { once } from 'node:events';
import { readSync, writeSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { addon } from '../../../native/addon.ts';
import { ACCESS } from '../../../runtime/memory/domain.ts';
import type { UringOperation } from '../../../runtime/memory/domains/uring.ts';
import {
  UringDomain,
  uringRead,
  uringSend,
  uringWrite,
} from '../../../runtime/memory/domains/uring.ts';
import type { ManagerOptions } from '../../../runtime/memory/manager.ts';
import type { Monitor } from '../../../runtime/memory/monitor.ts';
import { type MonitorName, openMonitor } from '../../../runtime/memory/monitors/open.ts';
import { helpers, ok } from '../../tools/native/helpers.ts';
import { ManagedMover, type Mover } from './mover.ts';

const SYS_SOCKETPAIR = 53;
const AF_UNIX = 1;
const SOCK_STREAM_CLOEXEC = 1 | 0o2000000;

/** For so long an operation may take before the test gives up. */
const PATIENCE_MS = 120_000;

export class Channel extends ManagedMover<UringOperation> implements Mover {
  readonly domain: UringDomain;
  readonly #ours: number;
  readonly #theirs: number;

  constructor(monitor: Monitor, options: Partial<ManagerOptions<UringOperation>> = {}) {
    const domain = new UringDomain({ entries: 16 });
    super(monitor, domain, options);
    this.domain = domain;
    const pair = new Int32Array(2);
    ok(helpers().call(SYS_SOCKETPAIR, AF_UNIX, SOCK_STREAM_CLOEXEC, 0, addon().addressOf(pair)));
    [this.#ours, this.#theirs] = pair;
  }

  sibling(): Channel {
    return new Channel(openMonitor(this.monitorName as MonitorName));
  }

  /** Sends the view's bytes from its registration; answers what the other end got. */
  send(view: Uint8Array): Uint8Array {
    const moved = this.move(view, ACCESS.localRead, (told) => uringWrite(this.#ours, told));
    return this.#readAll(moved);
  }

  /** As `send`, by SEND_ZC on a TCP connection. */
  async sendZeroCopy(view: Uint8Array): Promise<Uint8Array> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
    const [[peer]] = (await Promise.all([once(server, 'connection'), once(client, 'connect')])) as [
      [Socket],
      unknown,
    ];
    const got = (async () => {
      const chunks: Uint8Array[] = [];
      for await (const chunk of peer) chunks.push(chunk);
      return Buffer.concat(chunks);
    })();
    const { fd } = (client as unknown as { _handle: { fd: number } })._handle;
    try {
      const lease = this.manager.acquire(view, ACCESS.localRead);
      const moved = await new Promise<number>((resolve) => {
        const answer = this.manager.post(uringSend(fd, resolve), lease);
        if (answer < 0) resolve(answer);
      });
      lease.release();
      if (moved !== view.length) throw new Error(`${moved} of ${view.length} bytes were sent`);
      client.end();
      return new Uint8Array(await got);
    } finally {
      client.destroy();
      server.close();
    }
  }

  /**
   * Has the other end send `bytes`; they are received into the view by its registration. With
   * `meanwhile` they are sent when the operation is under way and `meanwhile` has returned.
   */
  receive(view: Uint8Array, bytes: Uint8Array, meanwhile?: () => void): void {
    const sendAll = () => {
      for (let at = 0; at < bytes.length; ) at += writeSync(this.#theirs, bytes, at);
    };
    if (!meanwhile) sendAll();
    const make = (done: (result: number) => void) => uringRead(this.#ours, done);
    const posted = () => {
      meanwhile?.();
      if (meanwhile) sendAll();
    };
    const moved = this.move(view, ACCESS.localWrite, make, { posted });
    if (moved !== bytes.length) throw new Error(`${moved} of ${bytes.length} bytes were received`);
  }

  close(): void {
    this.manager.close();
    this.closeSockets();
  }

  /** The sockets alone; the manager is left to the end of its thread. */
  closeSockets(): void {
    ok(addon().closeFd(this.#ours));
    ok(addon().closeFd(this.#theirs));
  }

  protected wait(so: () => boolean): void {
    const until = performance.now() + PATIENCE_MS;
    while (!so() && performance.now() < until) this.domain.wait(100);
  }

  #readAll(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    for (let at = 0; at < length; ) at += readSync(this.#theirs, bytes, at, length - at, null);
    return bytes;
  }
}
