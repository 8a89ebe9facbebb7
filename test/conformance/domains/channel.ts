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
import { type ManagerOptions, PinnedMemoryManager } from '../../../runtime/memory/manager.ts';
import type { Monitor } from '../../../runtime/memory/monitor.ts';
import { type MonitorName, openMonitor } from '../../../runtime/memory/monitors/open.ts';
import { helpers, ok } from '../../tools/native/helpers.ts';
import type { Mover } from './mover.ts';

const SYS_SOCKETPAIR = 53;
const AF_UNIX = 1;
const SOCK_STREAM_CLOEXEC = 1 | 0o2000000;

/** For so long an operation may take before the test gives up. */
const PATIENCE_MS = 10_000;

export class Channel implements Mover {
  readonly manager: PinnedMemoryManager<UringOperation>;
  readonly domain = new UringDomain({ entries: 16 });
  readonly monitorName: string;
  /** Whether its monitor lets registrations outlive their operations. */
  readonly caches: boolean;
  readonly #ours: number;
  readonly #theirs: number;

  constructor(monitor: Monitor, options: Partial<ManagerOptions<UringOperation>> = {}) {
    this.manager = new PinnedMemoryManager({
      monitor,
      domain: this.domain,
      audit: true,
      ...options,
    });
    this.monitorName = monitor.name;
    this.caches = monitor.caches;
    const pair = new Int32Array(2);
    ok(helpers().call(SYS_SOCKETPAIR, AF_UNIX, SOCK_STREAM_CLOEXEC, 0, addon().addressOf(pair)));
    [this.#ours, this.#theirs] = pair;
  }

  sibling(): Channel {
    return new Channel(openMonitor(this.monitorName as MonitorName));
  }

  /** Sends the view's bytes from its registration; answers what the other end got. */
  send(view: Uint8Array): Uint8Array {
    const moved = this.#move(view, ACCESS.localRead, (done) => uringWrite(this.#ours, done));
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
    const moved = this.#move(view, ACCESS.localWrite, make, () => {
      meanwhile?.();
      if (meanwhile) sendAll();
    });
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

  #move(
    view: Uint8Array,
    access: number,
    operation: (done: (result: number) => void) => UringOperation,
    meanwhile?: () => void,
  ): number {
    const lease = this.manager.acquire(view, access);
    let result: number | undefined;
    const answer = this.manager.post(
      operation((moved) => {
        result = moved;
      }),
      lease,
    );
    if (answer < 0) throw new Error(`the operation was not posted: ${answer}`);
    meanwhile?.();
    const until = performance.now() + PATIENCE_MS;
    while (result === undefined && performance.now() < until) this.domain.wait(100);
    lease.release();
    if (result === undefined || result < 0) throw new Error(`the operation failed: ${result}`);
    return result;
  }

  #readAll(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    for (let at = 0; at < length; ) at += readSync(this.#theirs, bytes, at, length - at, null);
    return bytes;
  }
}
