/** A worker thread of the tests: what it does is in its `workerData`. */
import { once } from 'node:events';
import { parentPort, workerData } from 'node:worker_threads';
import { type MonitorName, openMonitor } from '../../../../../runtime/memory/monitors/open.ts';
import { Channel } from '../../../../conformance/domains/channel.ts';

const port = parentPort!;

if (workerData.fill) workerData.fill.fill(workerData.value);

if (workerData.give) {
  const bytes = new Uint8Array(workerData.give);
  port.postMessage(bytes, [bytes.buffer]);
  await once(port, 'message');
  port.close();
}

if (workerData.manager) {
  const channel = new Channel(openMonitor(workerData.manager as MonitorName));
  const view = new Uint8Array(2 ** 20);
  channel.send(view.subarray(0, 65536));
  if (workerData.how === 'close') channel.close();
  else channel.closeSockets();
  port.postMessage('sent');
  if (workerData.how === 'exit') process.exit(0);
  if (workerData.how === 'terminate') setInterval(() => view, 1000);
}
