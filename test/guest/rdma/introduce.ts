/** Connects two queue pairs of one iWARP device with each other, as two ranks would be. */
import { addon } from '../../../native/addon.ts';
import {
  type ConnectionEvent,
  ConnectionManager,
} from '../../../transports/verbs/connect/connections.ts';
import type { VerbsDevice } from '../../../transports/verbs/device/device.ts';
import type { QueuePair } from '../../../transports/verbs/device/queue-pair.ts';

const PATIENCE_MS = 120_000;

function next(manager: ConnectionManager, kind: ConnectionEvent['kind']): ConnectionEvent {
  const end = performance.now() + PATIENCE_MS;
  while (performance.now() < end) {
    const event = manager.next();
    if (event === null) addon().pollReadable(manager.fd, 100);
    else if (event.kind === kind) return event;
    else throw new Error(`the event "${event.kind}" (errno ${event.errno}) instead of "${kind}"`);
  }
  throw new Error(`waited in vain for the event "${kind}"`);
}

function must(answer: number, what: string): number {
  if (answer < 0) throw new Error(`${what}: errno ${-answer}`);
  return answer;
}

/** The manager is closed after the queue pairs. */
export function introduce(
  device: VerbsDevice,
  left: QueuePair,
  right: QueuePair,
): ConnectionManager {
  const manager = new ConnectionManager(device.name, device.reads);
  const data = Buffer.from('left to right');
  const end = must(manager.resolve(manager.own), 'rdma_resolve_addr');
  next(manager, 'address');
  must(manager.route(end), 'rdma_resolve_route');
  next(manager, 'route');
  must(manager.connect(end, left.number, data), 'rdma_connect');
  const request = next(manager, 'request');
  const said = Buffer.from(request.data).toString();
  if (said !== data.toString()) throw new Error(`"${said}" came with the request`);
  must(manager.accept(request.end, right.number, data), 'rdma_accept');
  next(manager, 'established');
  next(manager, 'established');
  // Each is the other's peer, in one process.
  left.peerTarget = device.livenessTarget();
  right.peerTarget = device.livenessTarget();
  // Who has connected sends first.
  let over = false;
  left.probe(() => {
    over = true;
  });
  const patience = performance.now() + PATIENCE_MS;
  while (!over && performance.now() < patience) device.poll();
  if (!over) throw new Error('the peer does not answer');
  return manager;
}
