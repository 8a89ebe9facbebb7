#!/usr/bin/env node
/**
 * Measures what test/bench/scale/measured.json holds, where there is an RDMA device:
 * npm run guest -- --command 'sh test/guest/rdma.sh lo && node dist/test/bench/scale/measure.js'
 * and, on any machine, what a request to the launcher costs, and a HELLO:
 * dregrun -n 2 dist/test/bench/scale/measure.js pmi; node dist/test/bench/scale/measure.js hello
 */
import { readFileSync } from 'node:fs';
import { LIMIT, verbs } from '../../../native/verbs.ts';
import { joinJob } from '../../../runtime/job/join.ts';
import { SEND_DEPTH } from '../../../transports/packets/channel.ts';
import { INLINE_BYTES, SPARE_SLOTS } from '../../../transports/packets/sender.ts';
import { decodeHello, encodeHello, jobKey } from '../../../transports/verbs/connect/wire.ts';
import { VerbsDevice } from '../../../transports/verbs/device/device.ts';
import type { QueuePair } from '../../../transports/verbs/device/queue-pair.ts';
import { VERBS_SLOT_BYTES } from '../../../transports/verbs/layout.ts';

const PAIRS = 64;
const TIMES = 2000;

const us = (since: number, count: number) =>
  Number((((performance.now() - since) * 1000) / count).toFixed(2));

/** Memory of the machine that nobody uses, in bytes. */
function free(): number {
  const kibibytes = /^MemFree:\s*(\d+)/m.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1];
  return Number(kibibytes) * 1024;
}

function device(): void {
  const opened = VerbsDevice.open();
  opened.openReceiveQueue(VERBS_SLOT_BYTES).grow(SPARE_SLOTS);
  const options = { sendDepth: SEND_DEPTH, inlineBytes: INLINE_BYTES };
  opened.createQueuePair(options);
  const before = free();
  const started = performance.now();
  const queues = Array.from({ length: 2 * PAIRS }, () => opened.createQueuePair(options));
  const createUs = us(started, queues.length);
  const queueBytes = Math.round((before - free()) / queues.length);
  const met = performance.now();
  for (let i = 0; i < queues.length; i++) queues[i].connect(address(opened, queues[i ^ 1]), i ^ 1);
  const connectUs = us(met, queues.length);
  const limits = new Float64Array(LIMIT.words);
  const second = verbs().verbsOpen(opened.name, 16);
  verbs().verbsLimits(second, limits);
  verbs().verbsClose(second);
  opened.close();
  const [completionsMax, queuesMax] = [limits[LIMIT.completions], limits[LIMIT.queues]];
  print({ createUs, connectUs, queueBytes, completionsMax, queuesMax });
}

const address = ({ lid, gid, mtu }: VerbsDevice, { number }: QueuePair) => {
  const psn = 1;
  return { lid, gid, mtu, number, psn };
};

/** Packing and unpacking; sending is the device's part. */
function hello(): number {
  const job = jobKey('measure');
  const words = { from: 0, to: 1, datagrams: 1, lid: 0, number: 1, psn: 1, mtu: 1024, known: 0 };
  const started = performance.now();
  for (let i = 0; i < TIMES; i++)
    decodeHello(encodeHello({ ...words, gid: '0'.repeat(32), confirmed: false }, job), job);
  return us(started, TIMES);
}

function pmi(): void {
  const job = joinJob();
  job.put(`measure-${job.rank}`, 'x'.repeat(48));
  job.fence();
  const started = performance.now();
  for (let i = 0; i < TIMES; i++) job.get('measure-0', 0);
  // All ask at once: the launcher's time, not the way there and back.
  const pmiUs = us(started, TIMES * job.size);
  job.fence();
  if (job.rank === 0) print({ pmiUs });
  job.finalize();
}

const print = (values: object) => console.log(JSON.stringify(values));

if (process.argv[2] === 'pmi') pmi();
else if (process.argv[2] === 'hello') print({ helloUs: hello() });
else device();
