/** What a transport between processes must do in addition: bells, sleep, and a peer that leaves. */
import { expect, test } from 'vitest';
import { addon } from '../../../native/addon.ts';
import type { Channel, Transport } from '../../../transports/transport.ts';
import type { Inbox, Link, Received } from './suite.ts';

const NONE = new Uint8Array(0);

/** What the cases share with the suite that they are part of; another link for each case. */
export interface Suite {
  readonly link: Link;
  readonly toB: Channel;
  readonly inbox: Inbox;
  /** Sends, taking packets at B whenever there is no room. */
  send(...packet: Parameters<Channel['trySend']>): void;
  /** Polls at B until so many packets have come. */
  receive(count: number): Received[];
  /** Waits for what the other end has said. */
  eventually(holds: () => boolean, what: string): void;
}

export function twoProcesses(suite: Suite): void {
  test('a peer that leaves is seen to leave, then to have left', () => {
    suite.send(1, 0, 1, NONE, 0, 0);
    suite.link.a.leave();
    suite.eventually(() => suite.link.b.presence(suite.link.rankA) === 'leaving', 'leaving');
    suite.send(1, 0, 2, NONE, 0, 0);
    suite.link.a.close();
    suite.eventually(() => suite.link.b.presence(suite.link.rankA) === 'left', 'left');
    // What it sent before is still there.
    expect(suite.receive(2).map(({ tag }) => tag)).toEqual([1, 2]);
  });

  test('what is sent rings the bell of one who sleeps in the event loop', async () => {
    for (let round = 0; round < 5; round++) {
      let watcher: ReturnType<Transport['watch']> | undefined;
      const rung = new Promise<void>((resolve) => {
        watcher = suite.link.b.watch(resolve);
      });
      suite.link.b.arm('loop');
      expect(suite.link.b.poll(suite.inbox)).toBe(0);
      setImmediate(() => suite.send(1, 0, round, NONE, 0, 0));
      await rung;
      expect(suite.receive(1)[0].tag).toBe(round);
      watcher?.close();
    }
  });

  test('a peer that leaves, and room that comes back, ring it as well', async () => {
    const bell = () =>
      new Promise<void>((resolve) => {
        const watcher = suite.link.a.watch(() => {
          watcher.close();
          resolve();
        });
      });
    // First contact rings by itself.
    suite.send(1, 0, 0, NONE, 0, 0);
    suite.receive(1);
    suite.link.a.poll(suite.inbox);
    // A waits for room, in the loop.
    while (suite.toB.trySend(1, 0, 0, NONE, 0, 0));
    let rung = bell();
    suite.link.a.arm('loop');
    expect(suite.toB.trySend(1, 0, 0, NONE, 0, 0)).toBe(false);
    for (let i = 0; i < 100; i++) suite.link.b.poll(suite.inbox);
    await rung;
    suite.eventually(() => suite.toB.trySend(1, 0, 0, NONE, 0, 0), 'room');
    rung = bell();
    suite.link.a.arm('loop');
    suite.link.b.leave();
    await rung;
    rung = bell();
    suite.link.a.arm('loop');
    suite.link.b.close();
    await rung;
    suite.eventually(() => suite.link.a.presence(suite.link.rankB) === 'left', 'left');
  });

  test('credit that comes back rings it as well', async () => {
    suite.send(1, 0, 0, NONE, 0, 0);
    suite.receive(1);
    const back = suite.link.b.connect(suite.link.rankA);
    suite.link.a.poll(suite.inbox);
    const rung = new Promise<void>((resolve) => {
      const watcher = suite.link.a.watch(() => {
        watcher.close();
        resolve();
      });
    });
    suite.link.a.arm('loop');
    back.returnCredit(100);
    back.flush();
    await rung;
    suite.eventually(() => suite.toB.creditReturned() === 100, 'credit of 100');
  });

  test('its descriptor is readable when it was rung, and not after disarm', () => {
    const { pollReadable } = addon();
    suite.send(1, 0, 0, NONE, 0, 0);
    suite.receive(1);
    for (let round = 0; round < 5; round++) {
      // A bell may ring by itself now and then; it must not go on.
      suite.eventually(() => {
        suite.link.b.disarm();
        suite.link.b.arm('loop');
        return suite.link.b.poll(suite.inbox) === 0 && pollReadable(suite.link.b.wakeFd, 0) === 0;
      }, 'an armed bell that is silent');
      suite.send(1, 0, round, NONE, 0, 0);
      expect(pollReadable(suite.link.b.wakeFd, 3_600_000)).toBe(1);
      suite.link.b.disarm();
      suite.receive(1);
      const silent = () => pollReadable(suite.link.b.wakeFd, 0) === 0;
      // What rang in between, before the disarming had come through, is taken by the next one.
      if (silent()) continue;
      suite.link.b.arm('loop');
      suite.link.b.disarm();
      expect(silent()).toBe(true);
    }
  });

  test('after disarm nobody rings', async () => {
    let rings = 0;
    const watcher = suite.link.b.watch(() => rings++);
    suite.link.b.arm('loop');
    suite.link.b.disarm();
    suite.send(1, 0, 0, NONE, 0, 0);
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
    expect(rings).toBe(0);
    watcher.close();
    suite.receive(1);
  });

  test('a sleep ends by itself, and at once where the bell has rung before', () => {
    suite.link.b.arm('block');
    suite.link.b.block(20);
    suite.link.b.disarm();
    suite.link.b.arm('block');
    suite.send(1, 0, 0, NONE, 0, 0);
    const start = process.hrtime.bigint();
    suite.link.b.block(3_600_000);
    suite.link.b.disarm();
    // An hour would not have passed the test's own limit.
    expect(process.hrtime.bigint() > start).toBe(true);
    suite.receive(1);
  });
}
