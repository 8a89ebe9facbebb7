/**
 * The hole in userfaultfd, and what closes it. The event of an unmapping is on its way, and the
 * address has a new owner already. The reader of this monitor can be held: in the test build only.
 */
import { expect, test } from 'vitest';
import { UserfaultfdMonitor } from '../../../../runtime/memory/monitors/userfaultfd.ts';
import { Channel } from '../../../conformance/domains/channel.ts';
import {
  bytesAt,
  HOLD,
  helpers,
  MAP,
  map,
  ok,
  PAGE,
  PROT,
  READER,
  SYS,
  type Task,
  unmap,
} from '../../../tools/native/helpers.ts';
import { needUserfaultfdAndUring } from '../../../tools/needs.ts';

needUserfaultfdAndUring();

const LENGTH = 64 * 1024;
const OLD = 0x0d;
const NEW = 0xe7;

/** The reader goes on after so long, while the first thread waits for it in the fence. */
const RELEASE_MS = 50;

/** Spins: the event loop has no part in this. */
function until(condition: () => boolean): void {
  const patience = performance.now() + 120_000;
  while (!condition()) if (performance.now() > patience) throw new Error('it never comes');
}

class Held extends UserfaultfdMonitor {
  constructor(fence: 'auto' | 'always' = 'auto') {
    super({ native: helpers(), fence });
  }
  hold(where: number): void {
    Atomics.store(this.header, READER.hold, where);
  }
  awaitParked(where: number): void {
    until(() => Atomics.load(this.header, READER.parked) === where);
  }
  releaseSoon(): Task {
    return helpers().threadStore(this.header, READER.hold, HOLD.none, RELEASE_MS);
  }
}

class WithoutFence extends Held {
  override fence(): void {}
}

class WithoutBusyWord extends Held {
  override readonly busyIndex = 14 as never;
}

/** A monitor, and memory that was sent once: its registration is cached. */
function prepare(monitor: Held): { channel: Channel; address: number; first: Uint8Array } {
  const channel = new Channel(monitor);
  const address = map(LENGTH);
  const first = bytesAt(address, LENGTH);
  expect(channel.send(first.fill(OLD)).every((byte) => byte === OLD)).toBe(true);
  return { channel, address, first };
}

/** Maps the address as soon as it is free. */
function takeOver(address: number): void {
  const flags = MAP.private | MAP.anonymous | MAP.fixedNoReplace;
  until(() => helpers().call(SYS.mmap, address, LENGTH, PROT.readWrite, flags, -1, 0) === address);
  bytesAt(address, LENGTH).fill(NEW);
}

/**
 * Sends while the reader is held. Where the send is to wait for the reader, another thread lets it
 * go meanwhile; where it is not, the reader is held until the bytes have left.
 */
function sendHeld(monitor: Held, channel: Channel, view: Uint8Array, waits: boolean): number {
  const release = waits ? monitor.releaseSoon() : undefined;
  const sent = channel.send(view);
  if (release) ok(helpers().threadJoin(release));
  monitor.hold(HOLD.none);
  expect(sent.every((byte) => byte === sent[0])).toBe(true);
  return sent[0];
}

/** The bytes that leave when another thread is in the middle of munmap, its event unread. */
function sendWhileUnmapping(monitor: Held, waits: boolean, sameBuffer = false): number {
  const { channel, address, first } = prepare(monitor);
  monitor.hold(HOLD.beforeRead);
  const unmapping = helpers().threadCall(SYS.munmap, address, LENGTH);
  takeOver(address);
  monitor.awaitParked(HOLD.beforeRead);
  expect(helpers().threadDone(unmapping)).toBe(false);
  const byte = sendHeld(monitor, channel, sameBuffer ? first : bytesAt(address, LENGTH), waits);
  ok(helpers().threadJoin(unmapping));
  channel.close();
  unmap(address, LENGTH);
  return byte;
}

/** The bytes that leave when munmap has returned, and the flags are not set yet. */
function sendAfterUnmapping(monitor: Held, waits: boolean): number {
  const { channel, address, first } = prepare(monitor);
  monitor.hold(HOLD.beforeFlags);
  unmap(address, LENGTH);
  takeOver(address);
  monitor.awaitParked(HOLD.beforeFlags);
  // The same ArrayBuffer: a hit by identity, for which no fence is asked.
  const byte = sendHeld(monitor, channel, first, waits);
  channel.close();
  unmap(address, LENGTH);
  return byte;
}

test('munmap under way in another thread, without the fence: the old bytes', () => {
  expect(sendWhileUnmapping(new WithoutFence(), false)).toBe(OLD);
});

test('munmap under way in another thread, with the fence: the new bytes', () => {
  expect(sendWhileUnmapping(new Held(), true)).toBe(NEW);
});

test('munmap has returned, without the busy word: the old bytes', () => {
  expect(sendAfterUnmapping(new WithoutBusyWord(), false)).toBe(OLD);
});

test('munmap has returned, with the busy word: the new bytes', () => {
  expect(sendAfterUnmapping(new Held(), true)).toBe(NEW);
});

test('memory under a living ArrayBuffer replaced meanwhile: the old bytes by default', () => {
  expect(sendWhileUnmapping(new Held('auto'), false, true)).toBe(OLD);
});

test('memory under a living ArrayBuffer replaced meanwhile: right with the fence always', () => {
  expect(sendWhileUnmapping(new Held('always'), true, true)).toBe(NEW);
});

/** A watched page that is unmapped, and the reader held at the point where its slot is to fire. */
function firing(monitor: Held, where: number): void {
  const address = map(PAGE);
  expect(monitor.monitor(0, address, PAGE)).toBe(0);
  monitor.hold(where);
  unmap(address, PAGE);
  monitor.awaitParked(where);
}

test('a slot given up just before it fires does not fire; its next range neither', () => {
  const monitor = new WithoutFence();
  const delta = Atomics.load(monitor.header, monitor.deltaIndex);
  firing(monitor, HOLD.beforeClaim);
  expect(monitor.unmonitor(0)).toBe(0);
  const next = map(PAGE);
  expect(monitor.monitor(0, next, PAGE)).toBe(0);
  monitor.hold(HOLD.none);
  until(() => Atomics.load(monitor.header, monitor.busyIndex) === 0);
  expect(monitor.flags[0]).toBe(0);
  expect(Atomics.load(monitor.header, monitor.deltaIndex)).toBe(delta);
  expect(monitor.unmonitor(0)).toBe(0);
  monitor.close();
  unmap(next, PAGE);
});

test('a slot given up while it fires: the answer waits for the flag, and says that it fired', () => {
  const monitor = new Held();
  firing(monitor, HOLD.claimed);
  const release = monitor.releaseSoon();
  expect(monitor.unmonitor(0)).toBe(1);
  expect(monitor.flags[0]).toBe(1);
  ok(helpers().threadJoin(release));
  monitor.close();
});
