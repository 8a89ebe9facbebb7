/** What every transport must do. A transport's own test file runs this suite over it. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type {
  Channel,
  Done,
  Packet,
  RemoteAccess,
  Transport,
} from '../../../transports/transport.ts';
import {
  ACCESS_NONE,
  CONTEXT_MAX,
  EXTENSION_WORDS,
  KIND_MAX,
  newRemoteAccess,
  TOOK_NOTHING,
  TOOK_OTHER,
} from '../../../transports/transport.ts';
import { Random } from '../../tools/random.ts';
import { type Suite, twoProcesses } from './processes.ts';
import { openDescriptors } from './shm-group.ts';

/** Two ranks that can talk; of a transport to oneself both are the same. */
export interface Link {
  a: Transport;
  b: Transport;
  rankA: number;
  rankB: number;
  /** Memory that rank A may export, of every kind that the transport has. */
  exposable(length: number): Uint8Array[];
  close(): void;
}

export interface Abilities {
  /** The peer can sleep and leave: it is somebody else. */
  separate: boolean;
}

export interface Received {
  peer: number;
  kind: number;
  context: number;
  tag: number;
  extension: number[];
  body: Uint8Array;
}

/** A handler that keeps what it is given. */
export class Inbox {
  readonly packets: Received[] = [];
  readonly errors: Error[] = [];

  onPacket(peer: number, packet: Packet): void {
    const body = new Uint8Array(packet.length + 2).fill(0x5a);
    packet.copyTo(body, 1);
    // What lies beside the body stays as it was.
    expect([body[0], body[packet.length + 1]]).toEqual([0x5a, 0x5a]);
    this.packets.push({
      peer,
      kind: packet.kind,
      context: packet.context,
      tag: packet.tag,
      extension: [...packet.extension],
      body: body.slice(1, packet.length + 1),
    });
  }

  onPeerError(_peer: number, error: Error): void {
    this.errors.push(error);
  }
}

/** How long something may take that comes from the other end; only a broken transport needs it. */
const PATIENCE_MS = 120_000;
/** Steps between two looks at the clock. */
const CLOCK_STEPS = 256;
const NONE = new Uint8Array(0);

/** Goes on step by step until a condition holds, or for so long that it will not; whether it does. */
function holdsAfter(holds: () => boolean, step: () => void): boolean {
  const end = performance.now() + PATIENCE_MS;
  for (let i = 1; !holds(); i++) {
    step();
    if (i % CLOCK_STEPS === 0 && performance.now() > end) return holds();
  }
  return true;
}

export function conformance(name: string, open: () => Link, abilities: Abilities): void {
  describe(`${name}: the transport suite`, () => {
    let link: Link;
    let toB: Channel;
    let inbox: Inbox;

    beforeEach(() => {
      link = open();
      toB = link.a.connect(link.rankB);
      inbox = new Inbox();
    });
    afterEach(() => link.close());

    /** Polls at B until so many packets have come. */
    function receive(count: number): Received[] {
      holdsAfter(
        () => inbox.packets.length >= count || inbox.errors.length > 0,
        () => link.b.poll(inbox),
      );
      expect(inbox.errors).toEqual([]);
      expect(inbox.packets.length).toBe(count);
      return inbox.packets.splice(0);
    }

    /** Lets both ends go on. What comes to A is not asked for. */
    function turn(): void {
      link.b.poll(inbox);
      if (link.a === link.b) return;
      link.a.poll({
        onPacket() {},
        onPeerError(_peer, error) {
          throw error;
        },
      });
    }

    /** Waits for what the other end has said: it may take a while to come. */
    function eventually(holds: () => boolean, what: string): void {
      if (!holdsAfter(holds, turn)) throw new Error(`never: ${what}`);
    }

    /** Sends, taking packets at B whenever there is no room; returns what was taken. */
    function send(...packet: Parameters<Channel['trySend']>): void {
      eventually(() => toB.trySend(...packet), 'room to send');
    }

    test('delivers nothing where nothing was sent', () => {
      expect(link.b.poll(inbox)).toBe(0);
      expect(inbox.packets).toEqual([]);
    });

    test('keeps kind, context and tag, from the least to the greatest', () => {
      const headers = [
        [0, 0, 0],
        [KIND_MAX, CONTEXT_MAX, 0x7fff_ffff],
        [1, 1, 1],
        [KIND_MAX, 0, 5],
        [0, CONTEXT_MAX, 6],
      ];
      for (const [kind, context, tag] of headers) send(kind, context, tag, NONE, 0, 0);
      const got = receive(headers.length);
      expect(got.map(({ kind, context, tag }) => [kind, context, tag])).toEqual(headers);
      for (const { peer, body } of got) expect([peer, body.length]).toEqual([link.rankA, 0]);
    });

    test('carries bodies of every length at every alignment', () => {
      const { maxBody } = toB;
      const all = [...Array.from({ length: 140 }, (_, i) => i), 1000, 4095, 4096, 4097];
      all.push(Math.floor(maxBody / 2), maxBody - 1, maxBody);
      const lengths = all.filter((length) => length <= maxBody);
      const source = new Uint8Array(maxBody + 64).map((_, i) => (i * 7) ^ (i >>> 8));
      for (const length of lengths)
        for (const offset of length > 200 ? [0, 1, 7, 33] : [0, 1, 2, 3, 4, 5, 8, 13, 31, 63]) {
          send(1, 2, length, source, offset, length);
          const [{ body, tag }] = receive(1);
          expect(tag).toBe(length);
          const wanted = source.subarray(offset, offset + length);
          expect(Buffer.compare(body, wanted), `${length} bytes from ${offset}`).toBe(0);
        }
    });

    test('carries a whole view as it carries a part of one', () => {
      for (const length of [1, 8, 12, 13, 48, 49, 500, toB.maxBody]) {
        // The same object again and again: what a transport keeps of it must follow its content.
        const whole = new Uint8Array(length);
        for (let round = 0; round < 5; round++) {
          whole.fill(length + round);
          send(1, 0, round, whole, 0, length);
          expect(receive(1)[0].body).toEqual(whole);
        }
      }
    });

    test('copies a body before it returns', () => {
      const body = new Uint8Array(100).fill(1);
      send(1, 0, 0, body, 0, 100);
      body.fill(2);
      expect(receive(1)[0].body).toEqual(new Uint8Array(100).fill(1));
    });

    test('keeps the order of packets of all sizes, thousands of them', () => {
      const random = new Random(5);
      const source = new Uint8Array(toB.maxBody).map((_, i) => i);
      const sent: number[][] = [];
      for (let i = 0; i < 5000; i++) {
        const length = random.below(random.pick([2, 49, 600, toB.maxBody + 1]));
        const offset = random.below(toB.maxBody - length + 1);
        sent.push([i, length, offset]);
        send(i & 0x7f, 3, i, source, offset, length);
      }
      const got = receive(sent.length);
      for (const [i, length, offset] of sent) {
        const { tag, body } = got[i];
        expect([tag, body.length]).toEqual([i, length]);
        if (Buffer.compare(body, source.subarray(offset, offset + length)) !== 0)
          throw new Error(`the body of packet ${i} has changed`);
      }
    });

    test.each([0, 8, 100, 4000])(
      'runs out of room for %i bytes, says so, and gets it back',
      (asked) => {
        const size = Math.min(asked, toB.maxBody);
        const body = new Uint8Array(size);
        for (let round = 0; round < 4; round++) {
          eventually(() => toB.trySend(1, 0, 0, body, 0, size), 'room');
          let sent = 1;
          while (toB.trySend(1, 0, sent, body, 0, size)) {
            sent++;
            expect(sent, 'room must have an end').toBeLessThan(100_000);
          }
          expect(sent).toBeGreaterThan(0);
          // What found no room was not sent.
          expect(toB.trySend(1, 0, 999_999, body, 0, size)).toBe(false);
          const got = receive(sent);
          expect(got.map(({ tag }) => tag)).toEqual(Array.from({ length: sent }, (_, i) => i));
          expect(link.b.poll(inbox)).toBe(0);
          // Room comes back at the latest when the receiver is about to sleep.
          link.b.arm('block');
          link.b.disarm();
        }
      },
    );

    test('room for a large body counts what small ones hold', () => {
      const large = new Uint8Array(toB.maxBody).fill(3);
      const random = new Random(9);
      let sent = 0;
      for (let i = 0; i < 3000; i++) {
        const length = random.pick([0, 48, 49, 1000, toB.maxBody]);
        if (toB.trySend(1, 0, length, large, 0, length)) sent++;
        else link.b.poll(inbox);
      }
      for (const { tag, body } of receive(sent)) {
        expect(body.length).toBe(tag);
        expect(body.every((byte) => byte === 3)).toBe(true);
      }
    });

    test('carries extension words, with and without a body', () => {
      const words = Int32Array.from({ length: EXTENSION_WORDS }, (_, i) => i * 0x1234_5678);
      words[0] = -1;
      words[1] = 0x7fff_ffff;
      words[2] = -0x8000_0000;
      const body = new Uint8Array(toB.maxBody).map((_, i) => i ^ 9);
      for (const length of [0, 1, 48, 49, 1000, toB.maxBody]) {
        const trial = () => toB.trySendExtended(9, CONTEXT_MAX, 77, words, body, 0, length);
        eventually(trial, 'room for extension words');
        send(1, 0, 0, body, 0, Math.min(length, 20));
        const [extended, plain] = receive(2);
        expect(extended).toMatchObject({ kind: 9, context: CONTEXT_MAX, tag: 77 });
        expect(extended.extension).toEqual([...words]);
        expect(Buffer.compare(extended.body, body.subarray(0, length))).toBe(0);
        expect(plain.body).toEqual(body.slice(0, Math.min(length, 20)));
      }
    });

    test('a packet may be answered while it is delivered, without end', () => {
      const back = link.b.connect(link.rankA);
      let echoed = 0;
      const echo = {
        onPacket: (_peer: number, packet: Packet) => {
          if (back.trySend(2, 0, packet.tag, NONE, 0, 0)) echoed++;
        },
        onPeerError: (_peer: number, error: Error) => {
          throw error;
        },
      };
      let sent = 0;
      while (sent < 20 && toB.trySend(1, 0, sent, NONE, 0, 0)) sent++;
      expect(sent).toBeGreaterThan(0);
      // A poll is bounded, even where each packet makes another one.
      holdsAfter(
        () => echoed >= sent,
        () => link.b.poll(echo),
      );
      expect(echoed).toBeGreaterThanOrEqual(sent);
    });

    describe('tryTake', () => {
      const to = new Uint8Array(64);

      /** The next packet, by tryTake or, where it leaves that to it, by poll. */
      function take(kind: number, context: number, tag: number): number {
        const channel = link.b.connect(link.rankA);
        link.b.poll({ onPacket: inbox.onPacket.bind(inbox), onPeerError() {} });
        return channel.tryTake(kind, context, tag, to, 1);
      }

      test('takes nothing where nothing is', () => {
        expect([TOOK_NOTHING, TOOK_OTHER]).toContain(take(1, 2, 3));
      });

      test('takes no packet with a negative tag, whatever tag is asked for', () => {
        // Contact first, so that both know each other.
        send(1, 0, 0, NONE, 0, 0);
        receive(1);
        send(1, 0, -1, NONE, 0, 0);
        const channel = link.b.connect(link.rankA);
        for (let i = 0; i < 100; i++) expect(channel.tryTake(1, 0, -1, to, 1)).toBeLessThan(0);
        expect(receive(1)[0].tag).toBe(-1);
      });

      test('takes only what was asked for; the rest is delivered, all in order', () => {
        // Contact first, so that the ring is known to both.
        send(1, 0, 0, NONE, 0, 0);
        receive(1);
        const channel = link.b.connect(link.rankA);
        const random = new Random(21);
        const body = new Uint8Array(100).map((_, i) => i + 1);
        const order: number[] = [];
        const wanted: number[] = [];
        for (let i = 0; i < 2000; i++) {
          const kind = random.pick([1, 2]);
          const context = random.pick([0, 1]);
          const length = random.pick([0, 8, 48, 64, 65, 100]);
          const extended = random.below(4) === 0;
          const words = new Int32Array(EXTENSION_WORDS).fill(i);
          const sent = extended
            ? toB.trySendExtended(kind, context, i, words, body, 0, length)
            : toB.trySend(kind, context, i, body, 0, length);
          if (sent) wanted.push(i);
          if (random.below(3) > 0) continue;
          const tag = random.pick([-1, order.length < wanted.length ? wanted[order.length] : 5, 7]);
          const before = order.length;
          const took = channel.tryTake(1, 0, tag, to, 1);
          if (took >= 0) {
            order.push(channel.takenTag);
            expect(tag === -1 || channel.takenTag === tag).toBe(true);
            expect(to.subarray(0, took)).toEqual(body.subarray(0, took));
            expect(took).toBeLessThanOrEqual(64);
          } else expect([TOOK_NOTHING, TOOK_OTHER]).toContain(took);
          if (order.length === before) {
            link.b.poll(inbox);
            order.push(...inbox.packets.splice(0).map((packet) => packet.tag));
          }
        }
        for (let i = 0; i < 100; i++) link.b.poll(inbox);
        order.push(...inbox.packets.splice(0).map((packet) => packet.tag));
        expect(order).toEqual(wanted);
      });
    });

    test('credit comes back, summed up, modulo 2^32', () => {
      send(1, 0, 0, NONE, 0, 0);
      receive(1);
      const back = link.b.connect(link.rankA);
      expect(toB.creditReturned()).toBe(0);
      back.returnCredit(1000);
      back.returnCredit(24);
      back.flush();
      eventually(() => toB.creditReturned() === 1024, 'credit of 1024');
      let sum = 1024;
      for (let i = 0; i < 9; i++) {
        back.returnCredit(2 ** 29);
        sum = (sum + 2 ** 29) | 0;
      }
      back.flush();
      // What could not be said at once is said when the peer has taken the last.
      const returned = () => {
        back.flush();
        return toB.creditReturned() === sum;
      };
      eventually(returned, 'credit modulo 2^32');
    });

    describe('memory that is exported', () => {
      const length = 300_000;
      let atB: Channel;

      beforeEach(() => {
        send(1, 0, 0, NONE, 0, 0);
        receive(1);
        atB = link.b.connect(link.rankA);
      });

      function pollBoth(): void {
        link.b.poll(inbox);
        link.a.poll(inbox);
      }

      /** Runs a pull or push to its end, whether it is done at once or later. */
      function finish(begin: (done: Done) => boolean): void {
        let ends = 0;
        const atOnce = begin((error) => {
          expect(error).toBe(null);
          ends++;
        });
        if (!atOnce) holdsAfter(() => ends > 0, pollBoth);
        expect(ends).toBe(atOnce ? 0 : 1);
      }

      /** What of an access comes to the other end. */
      const travelled = ({ kind, low, high, key }: RemoteAccess): RemoteAccess => ({
        kind,
        low,
        high,
        key,
        hold: null,
      });

      function memories(): Uint8Array[] {
        const all = link.exposable(Math.min(length, toB.segmentBytes));
        for (const memory of all) memory.set(memory.map((_, i) => i ^ (i >>> 8)));
        return all;
      }

      const has = (scheme: string) => toB.schemes.some((one) => one === scheme);

      test('can be read from the other end', () => {
        expect(has('get')).toBe(true);
        for (const memory of memories()) {
          const access = newRemoteAccess();
          const size = memory.length - 200;
          expect(toB.exportMemory(memory, 100, size, 'pull', access)).toBe(true);
          expect(access.kind).not.toBe(ACCESS_NONE);
          for (const [at, count] of [
            [0, size],
            [1, 1],
            [0, 0],
            [5000, 23_457],
            [size - 1, 1],
          ]) {
            const to = new Uint8Array(count + 10).fill(0xee);
            finish((done) => atB.pull(travelled(access), at, to, 5, count, done));
            const wanted = memory.subarray(100 + at, 100 + at + count);
            expect(Buffer.compare(to.subarray(5, 5 + count), wanted)).toBe(0);
            expect([to[4], to[count + 5]]).toEqual([0xee, 0xee]);
          }
          toB.revoke(access);
          expect(access).toMatchObject({ kind: ACCESS_NONE, hold: null });
        }
      });

      test('can be written from the other end, where the transport has that', () => {
        if (!has('put')) return;
        for (const memory of memories()) {
          const before = memory.slice();
          const access = newRemoteAccess();
          expect(toB.exportMemory(memory, 100, memory.length - 200, 'push', access)).toBe(true);
          const from = new Uint8Array(1000).fill(0x77);
          finish((done) => atB.push(travelled(access), 2000, from, 100, 700, done));
          before.fill(0x77, 2100, 2800);
          expect(Buffer.compare(memory, before)).toBe(0);
          toB.revoke(access);
        }
      });

      test('many pulls at once all end, each with its own bytes', () => {
        const [memory] = memories();
        const access = newRemoteAccess();
        expect(toB.exportMemory(memory, 0, memory.length, 'pull', access)).toBe(true);
        const targets = Array.from({ length: 100 }, () => new Uint8Array(500));
        let open = 0;
        for (const [i, to] of targets.entries()) {
          const done: Done = (error) => {
            expect(error).toBe(null);
            open--;
          };
          if (!atB.pull(travelled(access), i * 700, to, 0, 500, done)) open++;
        }
        holdsAfter(() => open === 0, pollBoth);
        expect(open).toBe(0);
        for (const [i, to] of targets.entries())
          expect(Buffer.compare(to, memory.subarray(i * 700, i * 700 + 500))).toBe(0);
        toB.revoke(access);
      });

      test('is revoked twice without harm, and not exported where it is no memory', () => {
        const access = newRemoteAccess();
        toB.revoke(access);
        const memory = link.exposable(1000)[0];
        toB.exportMemory(memory, 0, 1000, 'pull', access);
        toB.revoke(access);
        toB.revoke(access);
        expect(access.kind).toBe(ACCESS_NONE);
      });

      test('of a way that no transport has is ERR_PROTOCOL', () => {
        const forged: RemoteAccess = { kind: 99, low: 1, high: 1, key: 1, hold: null };
        const to = new Uint8Array(8);
        expect(() => atB.pull(forged, 0, to, 0, 8, () => {})).toThrow(
          expect.objectContaining({ code: 'ERR_PROTOCOL' }),
        );
      });
    });

    test('closing gives every descriptor back', () => {
      const open1 = openDescriptors();
      for (let i = 0; i < 5; i++) {
        const other = open();
        const channel = other.a.connect(other.rankB);
        channel.trySend(1, 0, 0, NONE, 0, 0);
        other.b.poll({ onPacket() {}, onPeerError() {} });
        if (abilities.separate) other.b.watch(() => {}).close();
        other.close();
      }
      expect(openDescriptors()).toBe(open1);
    });

    test('a peer is present', () => {
      expect(link.b.presence(link.rankA)).toBe('present');
    });

    const suite: Suite = {
      get link() {
        return link;
      },
      get toB() {
        return toB;
      },
      get inbox() {
        return inbox;
      },
      send,
      receive,
      eventually,
    };
    // A transport to the rank itself has no second process: the cases are not there, not skipped.
    if (abilities.separate) describe('of two processes', () => twoProcesses(suite));
  });
}
