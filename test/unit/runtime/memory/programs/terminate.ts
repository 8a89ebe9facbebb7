/** Workers that use managers of their own are ended in the middle of it; nothing else has the addon. */
import { once } from 'node:events';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { openMonitor } from '../../../../../runtime/memory/monitors/open.ts';
import { Channel } from '../../../../conformance/domains/channel.ts';

const WORKERS = 4;
const LENGTH = 60_000;

type Way = 'idle' | 'busy' | 'churn';

function work(way: Way): void {
  const channel = new Channel(openMonitor());
  let view = new Uint8Array(LENGTH);
  channel.send(view);
  parentPort?.postMessage('under way');
  if (way === 'idle') setInterval(() => channel.manager.stats(), 1000);
  else {
    setImmediate(() => {
      for (;;) {
        channel.send(view);
        if (way === 'churn') view = new Uint8Array(LENGTH);
      }
    });
  }
}

async function main(way: Way, end: 'exit' | 'terminate'): Promise<void> {
  const workers = Array.from(
    { length: WORKERS },
    () => new Worker(new URL(import.meta.url), { workerData: way }),
  );
  await Promise.all(workers.map((worker) => once(worker, 'message')));
  await new Promise((resolve) => setTimeout(resolve, 20));
  if (end === 'terminate') await Promise.all(workers.map((worker) => worker.terminate()));
  process.exit(0);
}

if (isMainThread) await main(process.argv[2] as Way, process.argv[3] as 'exit' | 'terminate');
else work(workerData as Way);
