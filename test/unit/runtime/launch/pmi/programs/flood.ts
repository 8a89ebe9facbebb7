/** Floods a key-value space until it refuses: node --expose-gc flood.js KIND prints what it keeps. */
import { PmiServer } from '../../../../../../runtime/launch/pmi/server.ts';

const LINES: Record<string, (at: number) => string> = {
  'short keys': (at) => `key=${at.toString(36)} value=`,
  'long lines': (at) => `key=a.long.enough.key.${at} value=${'v'.repeat(20)} more=${MORE}`,
};
const MORE = 'x'.repeat(1000);
const lineOf = LINES[process.argv[2]];

let answer = 'rc=0';
const server = new PmiServer('kvs', [0], {
  send: (_rank, line) => {
    answer = line;
  },
  abort() {},
  stuck() {},
});
const heap = () => {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed;
};
const before = heap();
for (let at = 0; answer.includes('rc=0'); at++)
  server.receive(0, Buffer.from(`cmd=put kvsname=kvs ${lineOf(at)}\n`, 'latin1'));
console.log(JSON.stringify({ answer, bytes: heap() - before }));
