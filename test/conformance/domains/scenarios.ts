/**
 * Memory that is registered and cached, loses its mapping, and is used again at the same address.
 * Each scenario answers what came: 'new' is right; 'old' is what a stale registration gives.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { addon } from '../../../native/addon.ts';
import {
  bytesAt,
  helpers,
  isMapped,
  MADV,
  map,
  ok,
  SYS,
  unmap,
} from '../../tools/native/helpers.ts';
import type { Channel } from './channel.ts';
import type { Mover } from './mover.ts';

export type Outcome = 'old' | 'new';

export interface Scenario<M extends Mover = Mover> {
  name: string;
  run(channel: M): Outcome | Promise<Outcome>;
}

const LENGTH = 64 * 1024;
const OLD = 0x0d;
const NEW = 0xe7;

/** More than malloc ever keeps: it is mapped when it is allocated, unmapped when it is freed. */
const LARGE = 40 * 2 ** 20;

/** Buffers that are collected until the address of one is given out again. */
const ATTEMPTS = 20;
/** Collections until a buffer's memory is unmapped, which a thread of V8's does when it likes. */
const TURNS = 1000;
/** Allocations until one gets the address of the one that was collected. */
const ALLOCATIONS = 30;

function outcome(bytes: Uint8Array): Outcome {
  if (bytes.length === LENGTH && bytes.every((byte) => byte === NEW)) return 'new';
  if (bytes.every((byte) => byte === OLD || byte === 0)) return 'old';
  throw new Error('the bytes are neither the old nor the new ones');
}

function mapFilled(value: number): number {
  const address = map(LENGTH);
  bytesAt(address, LENGTH).fill(value);
  return address;
}

/** Other memory at the same address, with new content. */
function replace(address: number): void {
  unmap(address, LENGTH);
  map(LENGTH, { address });
  bytesAt(address, LENGTH).fill(NEW);
}

function joined(task: ReturnType<ReturnType<typeof helpers>['threadCall']>): void {
  ok(helpers().threadJoin(task));
}

/** Sends old bytes from the memory, has it changed, sends what is there then. */
function sendTwice(channel: Mover, change: (address: number) => void, sameBuffer: boolean) {
  const address = mapFilled(OLD);
  const first = bytesAt(address, LENGTH);
  if (channel.send(first).some((byte) => byte !== OLD)) throw new Error('the first send is wrong');
  change(address);
  const answer = outcome(channel.send(sameBuffer ? first : bytesAt(address, LENGTH)));
  channel.manager.flush();
  unmap(address, LENGTH);
  return answer;
}

async function sendTwiceByZeroCopy(channel: Channel): Promise<Outcome> {
  const address = mapFilled(OLD);
  const first = await channel.sendZeroCopy(bytesAt(address, LENGTH));
  if (first.some((byte) => byte !== OLD)) throw new Error('the first send is wrong');
  replace(address);
  const answer = outcome(await channel.sendZeroCopy(bytesAt(address, LENGTH)));
  channel.manager.flush();
  unmap(address, LENGTH);
  return answer;
}

function receiveTwice(channel: Mover, change: (address: number) => void): Outcome {
  const address = mapFilled(0);
  const first = bytesAt(address, LENGTH);
  channel.receive(first, new Uint8Array(LENGTH).fill(OLD));
  change(address);
  const again = bytesAt(address, LENGTH).fill(0);
  channel.receive(again, new Uint8Array(LENGTH).fill(NEW));
  const answer = outcome(again);
  channel.manager.flush();
  unmap(address, LENGTH);
  return answer;
}

function discard(address: number): void {
  ok(helpers().call(SYS.madvise, address, LENGTH, MADV.dontNeed));
  bytesAt(address, LENGTH).fill(NEW);
}

/** Runs the garbage collector, whether Node was started with --expose-gc or not. */
export function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
}

/** Sends the beginning of a large ArrayBuffer, which nobody holds after it; answers its address. */
function sendAndForget(channel: Mover): number {
  const large = new Uint8Array(LARGE);
  const view = large.subarray(0, LENGTH).fill(OLD);
  const sent = channel.send(view);
  if (sent.some((byte) => byte !== OLD)) throw new Error('the first send is wrong');
  return addon().addressOf(large);
}

async function collected(channel: Mover): Promise<Outcome> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const address = sendAndForget(channel);
    for (let turn = 0; isMapped(address) && turn < TURNS; turn++) {
      collectGarbage();
      await sleep(1);
    }
    // All are kept: each takes the highest place that is free, until that is the collected one's.
    const others: Uint8Array[] = [];
    for (let i = 0; i < ALLOCATIONS; i++) {
      const next = new Uint8Array(LARGE);
      if (addon().addressOf(next) === address)
        return outcome(channel.send(next.subarray(0, LENGTH).fill(NEW)));
      others.push(next);
    }
  }
  throw new Error("the collected buffer's address was never given out again");
}

/** Times that another thread replaces the memory while it is sent again and again. */
const VERSIONS = 2000;

/**
 * Whether each byte of the word is 0 or that of one version in [first, last]: it was copied byte by
 * byte (rxe does so) while it was written for the first time.
 */
function isTorn(word: number, first: number, last: number): boolean {
  for (let version = first; version <= last; version++) {
    const bytes = [0xff, 0xff00, 0xff0000].map((mask) => [word & mask, version & mask]);
    if (bytes.every(([seen, whole]) => seen === 0 || seen === whole)) return true;
  }
  return false;
}

/** No word that comes may be of a version older than the last one known before it was sent. */
function churned(channel: Mover): Outcome {
  const address = mapFilled(0);
  const view = bytesAt(address, LENGTH);
  const versions = new Int32Array(2);
  channel.send(view);
  const churn = helpers().threadChurn(address, LENGTH, versions, VERSIONS);
  let answer: Outcome = 'new';
  try {
    for (let over = false; !over; ) {
      over = helpers().threadDone(churn);
      const known = Atomics.load(versions, 0);
      const words = new Int32Array(channel.send(view).buffer);
      const last = Atomics.load(versions, 0) + 1;
      // 0: mapped, and not filled yet.
      const isOld = (word: number) => word !== 0 && word < known && !isTorn(word, known, last);
      if (words.some(isOld) || (over && words[0] !== VERSIONS)) answer = 'old';
    }
  } finally {
    joined(churn);
  }
  channel.manager.flush();
  unmap(address, LENGTH);
  return answer;
}

/** Whatever registers the memory. */
export const MOVER_SCENARIOS: Scenario[] = [
  {
    name: 'send: unmapped, mapped again at the same address, the same ArrayBuffer',
    run: (channel) => sendTwice(channel, replace, true),
  },
  {
    name: 'send: unmapped, mapped again at the same address, another ArrayBuffer',
    run: (channel) => sendTwice(channel, replace, false),
  },
  {
    name: 'receive: unmapped, mapped again at the same address',
    run: (channel) => receiveTwice(channel, replace),
  },
  {
    name: 'send: madvise(MADV_DONTNEED), then written anew',
    run: (channel) => sendTwice(channel, discard, true),
  },
  {
    name: 'receive: madvise(MADV_DONTNEED)',
    run: (channel) => receiveTwice(channel, discard),
  },
  {
    name: 'send: unmapped and mapped again by another thread',
    run: (channel) =>
      sendTwice(channel, (address) => joined(helpers().threadReplace(address, LENGTH, NEW)), false),
  },
  {
    name: 'receive: unmapped and mapped again by another thread',
    run: (channel) =>
      receiveTwice(channel, (address) => joined(helpers().threadReplace(address, LENGTH, NEW))),
  },
  { name: 'send: another thread replaces the memory again and again', run: churned },
  { name: 'send: an ArrayBuffer that was collected; the next one got its address', run: collected },
];

/** And io_uring's own. */
export const SCENARIOS: Scenario<Channel>[] = [
  ...MOVER_SCENARIOS,
  { name: 'SEND_ZC: unmapped, mapped again at the same address', run: sendTwiceByZeroCopy },
];
