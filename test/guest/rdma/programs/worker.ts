/** A thread that opens a device, and ends or is ended with everything open. */
import { parentPort } from 'node:worker_threads';
import { Pair } from '../pair.ts';

const pair = new Pair();
pair.register(new Uint8Array(1 << 20), 1);
pair.device.createDatagramQueue();
pair.left.send(pair.area, 0, 8, true);
parentPort!.postMessage('open');
setInterval(() => pair.device.poll(), 1);
