/**
 * The two ends of a ring without what is around them: small bodies of buffers that come again, where
 * the ring keeps aliases, among others that do not.
 */
import { beforeEach, describe, expect, test } from 'vitest';
import {
  CELL,
  CELL_BYTES,
  CELL_WORDS,
  CELLS,
  DATA_BYTES,
  INLINE_BYTES,
  REGION,
  REGION_BYTES,
} from '../../../../transports/shm/layout.ts';
import {
  CELLS_CONSUMED,
  DATA_CONSUMED,
  RING_STALE_BYTES,
} from '../../../../transports/shm/region.ts';
import { RingReceiver } from '../../../../transports/shm/ring-receiver.ts';
import { RingSender } from '../../../../transports/shm/ring-sender.ts';
import { TOOK_NOTHING, TOOK_OTHER } from '../../../../transports/transport.ts';
import { Random } from '../../../tools/random.ts';

const KIND = 1;
const CONTEXT = 2;

let there: RingSender;
let here: RingReceiver;
let back: RingSender;
let home: RingReceiver;

beforeEach(() => {
  const regions = [new ArrayBuffer(REGION_BYTES), new ArrayBuffer(REGION_BYTES)];
  there = new RingSender(regions[0]);
  here = new RingReceiver(regions[0], () => {});
  back = new RingSender(regions[1]);
  home = new RingReceiver(regions[1], () => {});
  there.reverse = home;
  back.reverse = here;
});

const send = (bytes: Uint8Array, tag = 0, offset = 0, length = bytes.length) =>
  there.trySend(KIND, CONTEXT, tag, bytes, offset, length);
const take = (to: Uint8Array, tag = 0) => here.tryTake(KIND, CONTEXT, tag, to, 1);

/** Tells the sender what was taken. */
function acknowledge(): void {
  back.trySend(KIND, CONTEXT, 0, new Uint8Array(0), 0, 0);
  home.tryTake(KIND, CONTEXT, 0, new Uint8Array(0), 1);
}

/** Sends and takes often enough for the short path. */
function warm(from: Uint8Array, to: Uint8Array): void {
  for (let i = 0; i < 5; i++) {
    expect(send(from)).toBe(true);
    expect(take(to)).toBe(from.length);
  }
}

function detach({ buffer }: Uint8Array): void {
  structuredClone(null, { transfer: [buffer as ArrayBuffer] });
}

/** Views of all widths and places, some of the same memory. */
function someViews(random: Random): Uint8Array[] {
  const memory = new ArrayBuffer(1024);
  return Array.from({ length: 6 }, () => {
    const length = random.pick([0, 1, 4, 7, 8, 12, 16, 40, 48, 64, 96, 100, 104, 105, 300]);
    return new Uint8Array(memory, random.pick([0, 1, 4, 8, 20, 64]), length);
  });
}

test.each([1, 2, 3, 4])('bodies of buffers that come again arrive whole, seed %i', (seed) => {
  const random = new Random(seed);
  const from = someViews(random);
  const to = someViews(random);
  const ahead: Uint8Array[] = [];
  let sent = 0;
  let taken = 0;
  for (let step = 0; step < 5000; step++) {
    // The same buffers for a while.
    if (step % 50 === 0) [from[0], to[0]] = [random.pick(from), random.pick(to)];
    const bytes = random.below(4) > 0 ? from[0] : random.pick(from);
    bytes.fill(step);
    const offset = random.below(5) > 0 ? 0 : random.below(bytes.length + 1);
    const length = random.below(5) > 0 ? bytes.length - offset : 0;
    if (ahead.length < CELLS && send(bytes, sent, offset, length)) {
      ahead.push(bytes.slice(offset, offset + length));
      sent++;
    }
    while (ahead.length > random.below(12)) {
      const expected = ahead.shift() as Uint8Array;
      const target = random.below(4) > 0 ? to[0] : random.pick(to);
      const view = target.length < expected.length ? new Uint8Array(expected.length) : target;
      view.fill(step + 1);
      expect(take(view, taken)).toBe(expected.length);
      expect(Buffer.compare(view.subarray(0, expected.length), expected)).toBe(0);
      expect(view.subarray(expected.length).every((byte) => byte === ((step + 1) & 0xff))).toBe(
        true,
      );
      expect(here.tag).toBe(taken++);
    }
    if (random.below(3) === 0) acknowledge();
  }
  expect(sent).toBeGreaterThan(4000);
});

describe('on the short path', () => {
  const bytes = () => new Uint8Array(64).map((_, i) => i);

  test('a packet of another kind, context, tag or length is left where it is', () => {
    const to = new Uint8Array(64);
    warm(bytes(), to);
    const from = bytes();
    for (let i = 0; i < 3; i++) warm(from, to);
    expect(send(from, 7)).toBe(true);
    expect(here.tryTake(KIND + 1, CONTEXT, 7, to, 1)).toBe(TOOK_OTHER);
    expect(here.tryTake(KIND, CONTEXT + 1, 7, to, 1)).toBe(TOOK_OTHER);
    expect(take(to, 8)).toBe(TOOK_OTHER);
    expect(take(to.subarray(0, 8), 7)).toBe(TOOK_OTHER);
    expect(take(to, 7)).toBe(64);
    expect(take(to, 7)).toBe(TOOK_NOTHING);
  });

  test('a negative tag is no message, whatever tag is asked for', () => {
    const from = bytes();
    const to = new Uint8Array(64);
    warm(from, to);
    expect(send(from, -1)).toBe(true);
    expect(take(to, -1)).toBe(TOOK_OTHER);
  });

  test('what the cells hold is all that goes without an answer', () => {
    const from = bytes();
    const to = new Uint8Array(64);
    warm(from, to);
    acknowledge();
    let sent = 0;
    while (sent <= CELLS && send(from, sent)) sent++;
    expect(sent).toBe(CELLS);
    for (let i = 0; i < sent; i++) expect(take(to, i)).toBe(64);
    acknowledge();
    expect(send(from)).toBe(true);
  });

  test('a buffer that shrank or was given away is not sent as it was', () => {
    const memory = new ArrayBuffer(64, { maxByteLength: 64 });
    const from = new Uint8Array(memory);
    const to = new Uint8Array(64);
    from.set(bytes());
    warm(from, to);
    memory.resize(16);
    expect(send(from)).toBe(true);
    expect(take(to)).toBe(16);
    structuredClone(memory, { transfer: [memory] });
    expect(send(from)).toBe(true);
    expect(take(to)).toBe(0);
  });

  test('a part of a view that has grown is not what the whole was', () => {
    const memory = new ArrayBuffer(16, { maxByteLength: 64 });
    const from = new Uint8Array(memory);
    const to = new Uint8Array(16);
    warm(from, to);
    memory.resize(64);
    from.set(bytes());
    expect(send(from, 0, 16, 16)).toBe(true);
    expect(take(to)).toBe(16);
    expect(to).toEqual(bytes().subarray(16, 32));
    warm(from.subarray(0, 16), to);
    warm(from, new Uint8Array(64));
    expect(send(from, 0, 0, 16)).toBe(true);
    expect(take(to)).toBe(16);
    expect(to).toEqual(bytes().subarray(0, 16));
  });

  test('a buffer that shrank or was given away does not receive', () => {
    const memory = new ArrayBuffer(INLINE_BYTES, { maxByteLength: INLINE_BYTES });
    const to = new Uint8Array(memory);
    const from = new Uint8Array(INLINE_BYTES).fill(5);
    warm(from, to);
    memory.resize(8);
    expect(send(from)).toBe(true);
    expect(take(to)).toBe(TOOK_OTHER);
    structuredClone(memory, { transfer: [memory] });
    expect(take(to)).toBe(TOOK_OTHER);
    expect(take(new Uint8Array(INLINE_BYTES))).toBe(INLINE_BYTES);
  });
});

describe('counts that come round', () => {
  const region = () => new ArrayBuffer(REGION_BYTES);
  const none = new Uint8Array(0);

  test('what the line said before the ring began anew often is no room in the data ring', () => {
    const small = new Uint8Array(1000);
    // Each of these begins anew 64 KiB further on; the receiver has nothing to publish.
    for (let i = 0; i < 50_000; i++) {
      expect(send(small)).toBe(true);
      expect(take(small)).toBe(1000);
      acknowledge();
    }
    const sent: Uint8Array[] = [];
    for (let i = 0; i < CELLS; i++) {
      const body = new Uint8Array(3000).fill(i + 1);
      if (send(body, i)) sent.push(body);
    }
    expect(sent.length).toBeGreaterThan(10);
    for (const [i, body] of sent.entries()) {
      const to = new Uint8Array(3000);
      expect(take(to, i)).toBe(3000);
      expect(Buffer.compare(to, body)).toBe(0);
    }
  });

  test('no cell keeps a sequence number of long ago', () => {
    const [memory, stale] = [region(), 500];
    there = new RingSender(memory, () => false, 0, stale);
    here = new RingReceiver(memory, () => {});
    there.reverse = home;
    back.reverse = here;
    const sequences = Array.from(
      { length: CELLS },
      (_, cell) => new Int32Array(memory, REGION.cells + cell * CELL_BYTES, CELL_WORDS),
    );
    const byte = new Uint8Array(8);
    for (let i = 0; i < CELLS; i++) expect(send(byte)).toBe(true);
    for (let i = 0; i < CELLS; i++) expect(take(byte)).toBe(8);
    for (let i = 0; i < 5000; i++) {
      acknowledge();
      expect(send(byte)).toBe(true);
      expect(take(byte)).toBe(8);
      const ages = sequences.map((words) => here.position - words[CELL.sequence]);
      expect(Math.max(...ages)).toBeLessThanOrEqual(stale + CELLS);
      expect(Math.min(...ages)).toBe(0);
    }
  });

  test('what a peer that has long been silent said to have taken is not believed', () => {
    const memory = region();
    there = new RingSender(memory, () => false, -10);
    here = new RingReceiver(memory, () => {}, -10);
    new Int32Array(memory, REGION.receiverLine, 16)[CELLS_CONSUMED] = -10;
    // It has taken none, as it said when the count was here before.
    there.reverse = { acknowledged: 0, position: 0 } as RingReceiver;
    let sent = 0;
    while (sent <= 2 * CELLS && send(none, sent)) sent++;
    expect(sent).toBe(CELLS);
    for (let i = 0; i < sent; i++) expect(take(none, i)).toBe(0);
  });

  test('nor what lies in its ring since then', () => {
    const [memory, stale] = [region(), 500];
    there = new RingSender(memory, () => false, 0, stale);
    here = new RingReceiver(memory, () => {});
    const reverse = { acknowledged: 0, position: 0 } as RingReceiver;
    there.reverse = reverse;
    for (let i = 0; i < stale; i++) {
      expect(send(none)).toBe(true);
      expect(take(none)).toBe(0);
    }
    for (let i = 0; i < 8; i++) expect(send(none)).toBe(true);
    let more = 0;
    while (more <= 2 * CELLS) {
      // As many as were sent: what a packet of the other lap would say.
      reverse.acknowledged = stale + 8 + more;
      if (!send(none)) break;
      more++;
    }
    expect(more).toBeLessThanOrEqual(CELLS);
  });

  test('the line never becomes older than its bound', () => {
    const memory = region();
    const line = new Int32Array(memory, REGION.receiverLine, 16);
    there = new RingSender(memory);
    here = new RingReceiver(memory, () => {});
    there.reverse = home;
    back.reverse = here;
    const body = new Uint8Array(1000);
    let oldest = 0;
    for (let i = 0; i < 50_000; i++) {
      expect(send(body)).toBe(true);
      expect(take(body)).toBe(1000);
      acknowledge();
      oldest = Math.max(oldest, (i + 1) * DATA_BYTES - (line[DATA_CONSUMED] >>> 0));
    }
    expect(oldest).toBeLessThanOrEqual(RING_STALE_BYTES + 2 * DATA_BYTES);
  });
});

describe('trySendAgain', () => {
  const again = (bytes: unknown, tag = 0) => there.trySendAgain(KIND, CONTEXT, tag, bytes);

  test('sends what was sent before, with what it has in it now', () => {
    const from = new Uint8Array(16).fill(1);
    const to = new Uint8Array(16);
    warm(from, to);
    from.fill(2);
    expect(again(from, 5)).toBe(16);
    expect(take(to, 5)).toBe(16);
    expect(to).toEqual(from);
  });

  test.each([
    ['nothing at all', () => undefined],
    ['null', () => null],
    ['another buffer', () => new Uint8Array(16)],
    ['another view of the same memory', (from: Uint8Array) => new Uint8Array(from.buffer)],
    ['a length', () => 16],
    [
      'the buffer, detached',
      (from: Uint8Array) => {
        detach(from);
        return from;
      },
    ],
  ])('sends nothing that is %s', (_, other) => {
    const from = new Uint8Array(16);
    const to = new Uint8Array(16);
    warm(from, to);
    expect(again(other(from))).toBe(0);
    expect(take(to)).toBe(TOOK_NOTHING);
  });

  test('sends nothing where no whole words were sent before', () => {
    const from = new Uint8Array(13);
    warm(from, new Uint8Array(13));
    expect(again(from)).toBe(0);
    expect(again(new Uint8Array(0))).toBe(0);
  });

  test('goes no further than the short path does', () => {
    const from = new Uint8Array(8);
    const to = new Uint8Array(8);
    warm(from, to);
    let sent = 0;
    while (again(from) > 0) expect(++sent).toBeLessThanOrEqual(CELLS);
    for (; sent > 0; sent--) expect(take(to)).toBe(8);
    expect(take(to)).toBe(TOOK_NOTHING);
    warm(from, to);
    expect(again(from)).toBe(8);
  });
});

describe('tryTake takes nothing into', () => {
  test.each([
    ['an array of other elements', () => new Float64Array(2)],
    ['a plain array', () => [0, 0, 0, 0, 0, 0, 0, 0]],
    ['null', () => null],
    [
      'a detached buffer',
      () => {
        const bytes = new Uint8Array(16);
        detach(bytes);
        return bytes;
      },
    ],
  ])('%s; the packet stays', (_, into) => {
    for (const length of [0, 8]) {
      expect(send(new Uint8Array(length).fill(3))).toBe(true);
      expect(here.tryTake(KIND, CONTEXT, 0, into(), 1)).toBe(TOOK_OTHER);
      expect(take(new Uint8Array(8))).toBe(length);
    }
  });

  test('a buffer that was used before and is detached', () => {
    const from = new Uint8Array(8);
    const to = new Uint8Array(8);
    warm(from, to);
    detach(to);
    for (const length of [0, 8]) {
      expect(send(from.subarray(0, length))).toBe(true);
      expect(take(to)).toBe(TOOK_OTHER);
      expect(take(new Uint8Array(8))).toBe(length);
    }
  });
});
