/** A worker that is given shared memory: it says that it is there, and gives the memory back. */
import { parentPort, workerData } from 'node:worker_threads';
import { notify } from '../../../../runtime/shared.ts';

const words = new Int32Array(workerData as SharedArrayBuffer);
Atomics.store(words, 0, 1);
notify(words, 0);
parentPort?.postMessage(workerData);
