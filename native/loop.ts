/** What else than this package may yet run JavaScript in this event loop. */
import { MessageChannel } from 'node:worker_threads';
import { addon } from './addon.ts';

/** Stands for the function that libuv calls for a MessagePort; found by making two of them. */
let portCall: number | undefined;

/** Whether nothing is left in the event loop that could make the program go on. */
export function loopIsIdle(): boolean {
  if (addon().loopOthers() !== 0) return false;
  portCall ??= findPortCall();
  // A worker has a port in the loop of the thread that started it, whether or not it keeps that alive.
  return !asyncs().includes(portCall);
}

function asyncs(): number[] {
  const calls = addon().loopAsyncs();
  return typeof calls === 'number' ? [] : calls;
}

function findPortCall(): number {
  const before = tally(asyncs());
  const { port1 } = new MessageChannel();
  const after = tally(asyncs());
  port1.close();
  for (const [call, count] of after) if (count === (before.get(call) ?? 0) + 2) return call;
  return 0;
}

function tally(calls: readonly number[]): Map<number, number> {
  const counts = new Map<number, number>();
  for (const call of calls) counts.set(call, (counts.get(call) ?? 0) + 1);
  return counts;
}
