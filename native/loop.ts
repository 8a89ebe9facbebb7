/** What else than this package may yet run JavaScript in this event loop. */
import { clearTimeout, setTimeout } from 'node:timers';
import { MessageChannel } from 'node:worker_threads';
import { addon } from './addon.ts';

/**
 * Numbers for the functions that libuv calls for the program's timers, and for a MessagePort. V8 and Node
 * have timers and wake-ups of their own, which say nothing about the program.
 */
interface ProgramCalls {
  readonly timer: number | undefined;
  readonly port: number | undefined;
}

let calls: ProgramCalls | undefined;

/** Whether nothing is left in the event loop that could make the program go on. */
export function loopIsIdle(): boolean {
  calls ??= { timer: findTimer(), port: findPort() };
  if (calls.timer === undefined || calls.port === undefined) return false;
  if (addon().loopOthers() !== 0 || timers().has(calls.timer)) return false;
  // A worker has a port in the loop of the thread that started it, whether or not it keeps that alive.
  return !asyncs().has(calls.port);
}

/** When the timers with a function are due. */
function timers(): Map<number, number[]> {
  const listed = addon().loopTimers();
  const due = new Map<number, number[]>();
  if (typeof listed === 'number') return due;
  for (let i = 0; i < listed.length; i += 2)
    due.set(listed[i], [...(due.get(listed[i]) ?? []), listed[i + 1]]);
  return due;
}

/** How many there are with a function. */
function asyncs(): Map<number, number> {
  const listed = addon().loopAsyncs();
  const counts = new Map<number, number>();
  if (typeof listed === 'number') return counts;
  for (const call of listed) counts.set(call, (counts.get(call) ?? 0) + 1);
  return counts;
}

/** All timers of a program are one of libuv's, which runs until the first of them is due. */
function findTimer(): number | undefined {
  const before = timers();
  const timer = setTimeout(() => {}, 1);
  const after = timers();
  clearTimeout(timer);
  for (const [call, due] of after) if (`${due}` !== `${before.get(call)}`) return call;
  return undefined;
}

function findPort(): number | undefined {
  const before = asyncs();
  const { port1 } = new MessageChannel();
  const after = asyncs();
  port1.close();
  for (const [call, count] of after) if (count === (before.get(call) ?? 0) + 2) return call;
  return undefined;
}
