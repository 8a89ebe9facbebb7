/** A miss beside the bare calls of which it is made, and what caching is worth. */
import { addon } from '../../../native/addon.ts';
import { ACCESS } from '../../../runtime/memory/domain.ts';
import { UringDomain, uringWrite } from '../../../runtime/memory/domains/uring.ts';
import { PinnedMemoryManager } from '../../../runtime/memory/manager.ts';
import { type MonitorName, openMonitor } from '../../../runtime/memory/monitors/open.ts';
import { inTurn } from './timing.ts';

const PAGE = 4096;
const ROUNDS = 300;
/** Rounds until V8 has compiled what they run. */
const WARM_UPS = 10_000;

export interface Miss {
  bytes: number;
  monitor: number;
  register: number;
  deregister: number;
  unmonitor: number;
  bare: number;
  managed: number;
}

/** Memory whose first byte is the first of a page. */
function aligned(bytes: number): Uint8Array {
  const memory = new Uint8Array(bytes + PAGE);
  const offset = -addon().addressOf(memory) & (PAGE - 1);
  return memory.subarray(offset, offset + bytes).fill(1);
}

/** A lease that misses and its eviction, in turn with the four calls alone. Nanoseconds. */
export function missOf(name: MonitorName, bytes: number): Miss {
  const monitor = openMonitor(name);
  const port = new UringDomain({ entries: 4 }).attach();
  const manager = new PinnedMemoryManager({
    monitor: openMonitor(name),
    domain: new UringDomain({ entries: 4 }),
  });
  const bareView = aligned(bytes);
  const address = addon().addressOf(bareView);
  const view = aligned(bytes);
  let key = 0;
  const calls = [
    () => void monitor.monitor(0, address, bytes),
    () => {
      key = port.register(address, bytes, ACCESS.localWrite);
      if (key < 0) throw new Error(`register answers ${key}`);
    },
    () => void port.deregister(key),
    () => void monitor.unmonitor(0),
  ];
  const managed = () => {
    manager.acquire(view).release();
    manager.flush();
  };
  const all = () => {
    for (const call of calls) call();
  };
  const warmUps = bytes > 2 ** 20 ? WARM_UPS / 100 : WARM_UPS;
  const [bare, whole] = inTurn(ROUNDS, [all, managed], warmUps);
  const parts = inTurn(ROUNDS, calls, warmUps);
  const { registrations } = manager.stats();
  if (registrations < ROUNDS) throw new Error('these were no misses');
  manager.close();
  monitor.close();
  port.close();
  const [watch, register, deregister, unmonitor] = parts;
  return { bytes, monitor: watch, register, deregister, unmonitor, bare, managed: whole };
}

export interface Worth {
  bytes: number;
  /** Nanoseconds of one send. */
  cached: number;
  none: number;
}

const SENDS = 60;

/** Sends a buffer into a file of memory again and again: with the cache, and registered each time. */
export function worthOf(name: MonitorName, bytes: number): Worth {
  const file = addon().segmentCreate('dreg-mpi-bench', bytes);
  const view = aligned(bytes);
  const sides = [name, 'none' as const].map((monitor) => {
    const domain = new UringDomain({ entries: 4 });
    const manager = new PinnedMemoryManager({ monitor: openMonitor(monitor), domain });
    const send = () => {
      const lease = manager.acquire(view, ACCESS.localRead);
      let moved: number | undefined;
      const done = (result: number) => {
        moved = result;
      };
      const answer = manager.post(uringWrite(file, done, 0), lease);
      if (answer < 0) throw new Error(`post answers ${answer}`);
      while (moved === undefined) domain.wait(1000);
      if (moved !== bytes) throw new Error(`${moved} of ${bytes} bytes were sent`);
      lease.release();
    };
    return { manager, send };
  });
  const [cached, none] = inTurn(
    SENDS,
    sides.map(({ send }) => send),
  );
  for (const { manager } of sides) manager.close();
  addon().closeFd(file);
  return { bytes, cached, none };
}
