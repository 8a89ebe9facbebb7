#!/usr/bin/env node
/**
 * Zero-copy send: a plain Node program (no MPI in it) that sends big buffers over a TCP socket from
 * registered memory. The kernel reads the bytes where they lie, and because the registrations are
 * cached, a buffer that is sent again costs no registration.
 *
 *     npm run build && node dist/examples/zero-copy-send.js
 *     node dist/examples/zero-copy-send.js --bytes 1048576 --count 200 --monitor none
 *
 * A child process receives. To see that the bytes are right, both ends hash them; and half of the
 * buffers are new ones, so that the garbage collector takes memory away while it is registered.
 * (Over the loopback device the kernel copies after all; a network card does not.)
 */
import { fork } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import {
  ACCESS,
  MONITORS,
  type MonitorName,
  MpiError,
  openMonitor,
  PinnedMemoryManager,
  UringDomain,
  type UringOperation,
  uringSend,
} from 'dreg-mpi/memory';

const USAGE = `Usage: zero-copy-send [--bytes N] [--count N] [--monitor auto|${MONITORS.join('|')}]`;

/** The child: hashes what comes, and tells the parent its port first, then the hash. */
async function receive(): Promise<void> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  process.send!((server.address() as { port: number }).port);
  const [socket] = (await once(server, 'connection')) as [Socket];
  const hash = createHash('sha256');
  for await (const chunk of socket) hash.update(chunk);
  process.send!(hash.digest('hex'));
  server.close();
  process.disconnect();
}

/** Sends a whole view; resolves when the kernel has let go of its memory. */
async function sendAll(
  manager: PinnedMemoryManager<UringOperation>,
  fd: number,
  view: Uint8Array,
): Promise<void> {
  // The lease says that these bytes are registered, and keeps the collector from them.
  const lease = manager.acquire(view, ACCESS.localRead);
  try {
    for (let sent = 0; sent < view.length; ) {
      const moved = await new Promise<number>((resolve) => {
        const answer = manager.post(uringSend(fd, resolve), lease, sent);
        if (answer < 0) resolve(answer);
      });
      if (moved <= 0) throw new Error(`the connection failed (${moved})`);
      sent += moved;
    }
  } finally {
    lease.release();
  }
}

/** io_uring works on descriptors; Node has no public name for that of a socket. */
function descriptorOf(socket: Socket): number {
  return (socket as unknown as { _handle: { fd: number } })._handle.fd;
}

async function send(bytes: number, count: number, monitor: MonitorName | 'auto'): Promise<void> {
  const manager = new PinnedMemoryManager({
    monitor: openMonitor(monitor),
    domain: new UringDomain(),
  });
  const receiver = fork(fileURLToPath(import.meta.url), ['--receive']);
  const [port] = (await once(receiver, 'message')) as [number];
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');

  const hash = createHash('sha256');
  const kept = new Uint8Array(bytes);
  for (let i = 0; i < count; i++) {
    const view = i % 2 === 0 ? kept : new Uint8Array(bytes);
    view.fill(i);
    hash.update(view);
    await sendAll(manager, descriptorOf(socket), view);
  }
  socket.end();
  const [received] = (await once(receiver, 'message')) as [string];

  const stats = manager.stats();
  console.log(`${count} buffers of ${bytes} bytes sent`);
  console.log(`monitor ${stats.monitor}: ${stats.registrations} registrations`);
  console.log(`found in the cache: ${stats.hitsIdentity + stats.hitsAddress} of ${count}`);
  manager.close();
  if (received !== hash.digest('hex')) throw new Error('what arrived is not what was sent');
  console.log('what arrived is what was sent');
}

/** The arguments; null where one is wrong, which has been said. */
function readArguments() {
  try {
    const { values } = parseArgs({
      options: {
        bytes: { type: 'string', default: '4194304' },
        count: { type: 'string', default: '100' },
        monitor: { type: 'string', default: 'auto' },
        receive: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
    const [bytes, count] = [values.bytes, values.count].map(Number);
    if (Number.isSafeInteger(bytes) && Number.isSafeInteger(count) && bytes > 0 && count > 0)
      return { ...values, bytes, count };
    throw new Error('--bytes and --count are whole numbers above 0');
  } catch (error) {
    console.error(`${(error as Error).message}\n${USAGE}`);
    process.exitCode = 2;
    return null;
  }
}

const settings = readArguments();
try {
  if (settings?.help) console.log(USAGE);
  else if (settings?.receive) await receive();
  else if (settings) await send(settings.bytes, settings.count, settings.monitor as MonitorName);
} catch (error) {
  // Such as: no io_uring here, or no monitor of that name.
  if (!(error instanceof MpiError)) throw error;
  console.error(`${error.code}: ${error.message}`);
  process.exitCode = 1;
}
