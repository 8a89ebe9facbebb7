import { addExtension, Packr as ProgramsPackr } from 'msgpackr';
import { describe, expect, it, test } from 'vitest';
import {
  First,
  OBJECT_FIRST_MAX,
} from '../../../../../../runtime/mpi/point-to-point/objects/envelope.ts';
import { msgpackCodec } from '../../../../../../runtime/mpi/point-to-point/objects/msgpack.ts';
import { v8Codec } from '../../../../../../runtime/mpi/point-to-point/objects/v8.ts';
import { Random } from '../../../../../tools/random.ts';

const CODECS = { msgpackCodec, v8Codec };

/** There and back, as a message brings it. */
function back(name: keyof typeof CODECS, value: unknown): unknown {
  const views: ArrayBufferView[] = [];
  const bytes = CODECS[name].encode(value, views);
  const came = views.map(
    ({ buffer, byteOffset, byteLength }) =>
      new Uint8Array(new Uint8Array(buffer, byteOffset, byteLength)),
  );
  return CODECS[name].decode(Uint8Array.from(bytes), came);
}

describe('the copy of msgpackr is our own', () => {
  class Money {
    amount: number;
    constructor(amount: number) {
      this.amount = amount;
    }
  }
  // Of our own type, and of a class that we know as well.
  addExtension({
    Class: Money,
    type: 0x76,
    write: ({ amount }) => amount,
    read: (amount) => new Money(amount),
  });
  addExtension({
    Class: Date,
    type: 0x44,
    write: () => 'a date',
    read: () => 'read by the program',
  });
  const programs = new ProgramsPackr({ moreTypes: true } as object);

  it('does not take what the program registers', () => {
    expect(back('msgpackCodec', new Date(5))).toEqual(new Date(5));
    expect(back('msgpackCodec', { m: new Money(3) })).toEqual({ m: { amount: 3 } });
    expect(back('msgpackCodec', new Float64Array(1000))).toEqual(new Float64Array(1000));
  });

  it('does not change what the program does', () => {
    back('msgpackCodec', new Float64Array(1000));
    expect(programs.unpack(programs.pack(new Money(3)))).toEqual(new Money(3));
    expect(programs.unpack(programs.pack(new Date(5)))).toBe('read by the program');
    expect(programs.unpack(programs.pack(Float64Array.of(1, 2)))).toEqual(Float64Array.of(1, 2));
  });
});

test('an object with a key of __proto__ changes no prototype', () => {
  const evil = JSON.parse(
    '{"__proto__": {"polluted": 1}, "constructor": {"prototype": {"polluted": 1}}}',
  );
  for (const name of ['msgpackCodec', 'v8Codec'] as const) {
    const came = back(name, evil) as object;
    expect(Object.getPrototypeOf(came)).toBe(Object.prototype);
    expect(({} as { polluted?: number }).polluted).toBeUndefined();
  }
});

test('long arrays are views, and not copied; short ones stay inside', () => {
  for (const codec of Object.values(CODECS)) {
    const [long, short] = [new Float32Array(100_000), new Float32Array(10)];
    const views: ArrayBufferView[] = [];
    const bytes = codec.encode({ long, short }, views);
    expect(views).toEqual([long]);
    expect(views[0].buffer).toBe(long.buffer);
    expect(bytes.length).toBeLessThan(200);
  }
});

test('a codec may be used while it is used', () => {
  class Nested {
    toJSON() {
      return (back('msgpackCodec', [new Float64Array(500).fill(2)]) as unknown[])[0];
    }
  }
  const outer = {
    a: new Float64Array(1000).fill(1),
    inner: new Nested(),
    b: new Float64Array(700).fill(3),
  };
  expect(back('msgpackCodec', outer)).toEqual({
    a: outer.a,
    inner: new Float64Array(500).fill(2),
    b: outer.b,
  });
});

describe('bytes that are no object', () => {
  const first = new First();
  const views = [new Uint8Array(2000).fill(1), new Uint8Array(1500).fill(2)];
  const { message } = first.put(Uint8Array.of(1, 2, 3), views, false);
  const good = message.slice();

  const read = (bytes: Uint8Array) => {
    const one = new First();
    one.bytes.fill(0);
    one.bytes.set(bytes);
    const envelope = one.envelope(bytes.length);
    return { stream: one.stream(envelope), views: one.views(envelope) };
  };

  it('what was written is read', () => {
    expect(read(good)).toEqual({ stream: Uint8Array.of(1, 2, 3), views });
    expect(good.length).toBeLessThan(OBJECT_FIRST_MAX);
  });

  it('are refused, whatever they are, and nothing is allocated for what they claim', () => {
    const random = new Random(5);
    let refused = 0;
    const attempt = (bytes: Uint8Array) => {
      try {
        expect(read(bytes).views.reduce((sum, { length }) => sum + length, 0)).toBeLessThan(10_000);
      } catch (error) {
        expect(error).toMatchObject({ name: 'MpiError', code: 'ERR_PROTOCOL' });
        refused++;
      }
    };
    for (let i = 0; i < 2000; i++)
      attempt(Uint8Array.from({ length: random.below(200) }, () => random.below(256)));
    for (let i = 0; i < 2000; i++) {
      const bytes = good.slice(0, random.chance(0.3) ? random.below(good.length) : good.length);
      // One bit of the header or of the table of lengths.
      bytes[random.below(Math.min(48, bytes.length || 1))] ^= 1 << random.below(8);
      attempt(bytes);
    }
    expect(refused).toBeGreaterThan(3800);
  });
});
