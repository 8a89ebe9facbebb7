/** Copies that both ends share, without the messages around them. */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { packageRoot } from '../../../../../native/addon.ts';
import {
  helpCopy,
  SHARES_UNANSWERED_MAX,
  SharedCopies,
} from '../../../../../runtime/messaging/rendezvous/shared-copy.ts';

const compiled = (file: string) => pathToFileURL(join(packageRoot(), 'dist', file)).href;
const broken = expect.objectContaining({ code: 'ERR_PROTOCOL' });
const LENGTH = 500_000;
const nothing = () => {};

function scene() {
  const words = new Int32Array(new SharedArrayBuffer(64));
  return { words, copies: new SharedCopies(words) };
}

test.each([1, 4095, 65_536, 65_537, 1_000_000, 2 ** 31 + 1, 2 ** 40])(
  'a copy of %i bytes is done when every byte was claimed, each once',
  (length) => {
    const { copies } = scene();
    copies.open(length);
    let at = 0;
    copies.copy((start, bytes) => {
      expect([start, bytes > 0]).toEqual([at, true]);
      at += bytes;
    });
    expect(at).toBe(length);
    expect(copies.settles()).toBe(true);
    expect(copies.close()).toBe(false);
  },
);

test('a sender that comes late copies nothing', () => {
  const { words, copies } = scene();
  copies.open(LENGTH);
  const first = copies.generation;
  copies.copy(nothing);
  helpCopy(words, first, LENGTH, () => expect.fail('copied twice'));
  copies.close();
  copies.open(LENGTH);
  const second = copies.generation;
  helpCopy(words, first, LENGTH, () => expect.fail('an old copy goes on'));
  let copied = 0;
  helpCopy(words, second, LENGTH, (_at, bytes) => {
    copied += bytes;
  });
  expect(copied).toBe(LENGTH);
});

test('a sender that owes answers is not asked on until its generation comes round', () => {
  const { words, copies } = scene();
  copies.open(LENGTH);
  const first = copies.generation;
  let opened = 1;
  for (let i = 0; i < 70_000; i++) {
    copies.copy(nothing);
    copies.close();
    if (copies.open(LENGTH)) opened++;
    helpCopy(new Int32Array(words), first, LENGTH, () => expect.fail('an old copy goes on'));
  }
  expect(opened).toBe(SHARES_UNANSWERED_MAX);
  helpCopy(words, first, LENGTH, () => expect.fail('an old copy goes on'));
  expect(copies.open(LENGTH)).toBe(true);
});

test('a sender that answers is asked for ever', () => {
  const { words, copies } = scene();
  for (let i = 0; i < 140_000; i++) {
    expect(copies.open(8192)).toBe(true);
    const { generation } = copies;
    let copied = 0;
    helpCopy(words, generation, 8192, (_at, bytes) => {
      copied += bytes;
    });
    expect(copied).toBe(8192);
    copies.copy(nothing);
    copies.close();
  }
});

test('one copy at a time', () => {
  const { copies } = scene();
  expect(copies.open(LENGTH)).toBe(true);
  expect(copies.open(LENGTH)).toBe(false);
});

test('a sender that fails breaks the copy, and this one alone', () => {
  const { words, copies } = scene();
  copies.open(LENGTH);
  const fails = () => helpCopy(words, copies.generation, LENGTH, () => expect.fail('on purpose'));
  expect(fails).toThrow('on purpose');
  copies.copy(nothing);
  expect(copies.settles()).toBe(true);
  expect(copies.close()).toBe(true);
  copies.open(LENGTH);
  copies.copy(nothing);
  expect(copies.close()).toBe(false);
});

test('where the receiver fails no piece can be claimed any more', () => {
  const { words, copies } = scene();
  copies.open(LENGTH);
  const { generation } = copies;
  expect(() => copies.copy(() => expect.fail('on purpose'))).toThrow('on purpose');
  helpCopy(words, generation, LENGTH, () => expect.fail('it goes on'));
  expect(copies.settles()).toBe(true);
  copies.close();
});

test('a piece that is claimed and not copied is not waited for', () => {
  const { words, copies } = scene();
  copies.open(LENGTH);
  const { generation } = copies;
  const inside = () => {
    copies.copy(nothing);
    expect(copies.settles()).toBe(false);
    throw new Error('seen');
  };
  expect(() => helpCopy(words, generation, LENGTH, inside)).toThrow('seen');
  expect(copies.settles()).toBe(true);
});

test('words that a broken peer wrote hold neither end up', () => {
  const { words, copies } = scene();
  copies.open(LENGTH);
  const { generation } = copies;
  const rewind = () => words.set([generation << 16]);
  expect(() => copies.copy(rewind)).toThrow(broken);
  const other = scene();
  other.copies.open(LENGTH);
  const again = other.copies.generation;
  expect(() => helpCopy(other.words, again, LENGTH, () => other.words.set([again << 16]))).toThrow(
    broken,
  );
  // All pieces are claimed, and none is copied.
  const last = scene();
  last.copies.open(LENGTH);
  last.words[0] |= 0xfff0;
  last.copies.copy(nothing);
  expect(last.copies.settles()).toBe(false);
  expect(() => last.copies.close()).toThrow(broken);
});

test('between two threads no byte is copied twice or forgotten', async () => {
  const length = 40 * 65_536 + 17;
  const rounds = 200;
  const { words, copies } = scene();
  const counts = new Int32Array(new SharedArrayBuffer(4 * 41));
  const gate = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(
    `const { workerData: { words, counts, gate, length, rounds, module } } = require('node:worker_threads');
     import(module).then(({ helpCopy }) => {
       for (let round = 1; round <= rounds; round++) {
         while (Atomics.load(gate, 0) < round);
         helpCopy(words, round, length, (at) => Atomics.add(counts, at / 65536, 1));
       }
     });`,
    {
      eval: true,
      workerData: {
        words,
        counts,
        gate,
        length,
        rounds,
        module: compiled('runtime/messaging/rendezvous/shared-copy.js'),
      },
    },
  );
  const ended = new Promise((resolve, reject) => {
    worker.on('exit', resolve);
    worker.on('error', reject);
  });
  for (let round = 1; round <= rounds; round++) {
    while (!copies.open(length));
    Atomics.store(gate, 0, round);
    copies.copy((at) => Atomics.add(counts, at / 65_536, 1));
    while (!copies.settles());
    expect(copies.close()).toBe(false);
    expect([...counts]).toEqual(new Array(41).fill(round));
  }
  await ended;
});
