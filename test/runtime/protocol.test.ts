/** Parts of the protocol by themselves: the cost model, copies that both ends share, transfer tables. */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { describe, expect, test } from 'vitest';
import { packageRoot } from '../../native/addon.ts';
import { CostModel, RETRIAL_INTERVAL, type Way } from '../../runtime/protocol/cost-model.ts';
import type { Peer } from '../../runtime/protocol/peer.ts';
import {
  claimsBroken,
  claimsDone,
  copyClaimed,
  openClaims,
  pieceBytes,
} from '../../runtime/protocol/shared-copy.ts';
import { TransferTable } from '../../runtime/protocol/transfer.ts';

const compiled = (file: string) => pathToFileURL(join(packageRoot(), 'dist', file)).href;

/** Runs messages through a model where each way costs so many nanoseconds a byte. */
function ways(model: CostModel, length: number, count: number, cost: (way: Way) => number): Way[] {
  return Array.from({ length: count }, () => {
    const way = model.choose(length);
    model.record(way, length, cost(way) * length);
    return way;
  });
}

describe('the cost model', () => {
  test.each<[Way, Record<Way, number>]>([
    ['copy', { copy: 1, get: 2, share: 3 }],
    ['get', { copy: 3, get: 1, share: 2 }],
    ['share', { copy: 3, get: 2, share: 1 }],
  ])('settles for %s where that is cheapest', (best, costs) => {
    const chosen = ways(new CostModel('auto'), 1_000_000, 200, (way) => costs[way]);
    expect(new Set(chosen.slice(0, 20))).toEqual(new Set(['copy', 'get', 'share']));
    expect(new Set(chosen.slice(20))).toEqual(new Set([best]));
  });

  test('one disturbed message does not decide', () => {
    let n = 0;
    const costs = { copy: 1, get: 2, share: 3 };
    const chosen = ways(new CostModel('auto'), 1_000_000, 200, (way) =>
      n++ === 0 ? 50 : costs[way],
    );
    expect(new Set(chosen.slice(20))).toEqual(new Set(['copy']));
  });

  test('each size has a verdict of its own', () => {
    const model = new CostModel('auto');
    ways(model, 100_000, 50, (way) => (way === 'copy' ? 1 : 9));
    ways(model, 4_000_000, 50, (way) => (way === 'get' ? 1 : 9));
    expect(model.choose(100_000)).toBe('copy');
    expect(model.choose(4_000_000)).toBe('get');
  });

  test('a machine that changes is noticed', () => {
    const model = new CostModel('auto');
    ways(model, 1_000_000, 100, (way) => (way === 'copy' ? 1 : 5));
    const later = ways(model, 1_000_000, 20 * RETRIAL_INTERVAL, (way) => (way === 'get' ? 1 : 20));
    expect(new Set(later.slice(-20))).toEqual(new Set(['get']));
  });

  test('losers are tried seldom', () => {
    const chosen = ways(new CostModel('auto'), 1_000_000, 10_000, (way) =>
      way === 'copy' ? 1 : 2,
    );
    expect(chosen.filter((way) => way !== 'copy').length).toBeLessThan(10_000 / 100);
  });

  test('does as it is told', () => {
    expect(new Set(ways(new CostModel('always'), 99_999, 50, () => 1))).toEqual(new Set(['get']));
    expect(new Set(ways(new CostModel('never'), 99_999, 50, () => 1))).toEqual(new Set(['copy']));
  });

  test.each([32_769, 2 ** 31, 2 ** 40])('has a place for %i bytes', (length) => {
    expect(['copy', 'get', 'share']).toContain(new CostModel('auto').choose(length));
  });
});

describe('a copy that both ends share', () => {
  const claims = () => new Int32Array(new SharedArrayBuffer(64));

  test.each([1, 4095, 65_536, 65_537, 1_000_000, 2 ** 31 + 1, 2 ** 40])(
    'of %i bytes is done when every byte was claimed, each once',
    (length) => {
      const words = claims();
      openClaims(words, 3);
      let at = 0;
      const copied = copyClaimed(words, 3, length, (start, bytes) => {
        if (claimsDone(words, length) || start !== at || bytes <= 0) throw new Error('out of turn');
        at += bytes;
      });
      expect([copied, at]).toEqual([length, length]);
      expect(claimsDone(words, length)).toBe(true);
      expect(Math.ceil(length / pieceBytes(length))).toBeLessThanOrEqual(2 ** 15);
    },
  );

  test('an end that comes late copies nothing', () => {
    const words = claims();
    openClaims(words, 3);
    copyClaimed(words, 3, 500_000, () => {});
    expect(copyClaimed(words, 3, 500_000, () => expect.fail('copied twice'))).toBe(0);
    openClaims(words, 4);
    expect(copyClaimed(words, 3, 500_000, () => expect.fail('an old copy goes on'))).toBe(0);
    expect(claimsDone(words, 500_000)).toBe(false);
  });

  test('an end that fails breaks it', () => {
    const words = claims();
    openClaims(words, 5);
    expect(claimsBroken(words, 5)).toBe(false);
    const fails = () => copyClaimed(words, 5, 500_000, () => expect.fail('on purpose'));
    expect(fails).toThrow('on purpose');
    expect(claimsBroken(words, 5)).toBe(true);
    expect(claimsBroken(words, 6)).toBe(false);
  });

  test('between two threads no byte is copied twice or forgotten', async () => {
    const length = 40 * 65_536 + 17;
    const rounds = 200;
    const words = claims();
    const counts = new Int32Array(new SharedArrayBuffer(4 * 41));
    const gate = new Int32Array(new SharedArrayBuffer(4));
    const worker = new Worker(
      `const { workerData: { words, counts, gate, length, rounds, module } } = require('node:worker_threads');
       import(module).then(({ copyClaimed }) => {
         for (let round = 1; round <= rounds; round++) {
           while (Atomics.load(gate, 0) < round);
           copyClaimed(words, round, length, (at) => Atomics.add(counts, at / 65536, 1));
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
          module: compiled('runtime/protocol/shared-copy.js'),
        },
      },
    );
    const ended = new Promise((resolve, reject) => {
      worker.on('exit', resolve);
      worker.on('error', reject);
    });
    for (let round = 1; round <= rounds; round++) {
      openClaims(words, round);
      Atomics.store(gate, 0, round);
      copyClaimed(words, round, length, (at) => Atomics.add(counts, at / 65_536, 1));
      while (!claimsDone(words, length));
      expect([...counts]).toEqual(new Array(41).fill(round));
    }
    await ended;
  });
});

test('a transfer is found only by its own peer', () => {
  const [mine, other] = [{}, {}] as Peer[];
  const table = new TransferTable<{ id: number; peer: Peer }>();
  const transfers = [mine, other, mine].map((peer) => ({ id: table.takeId(), peer }));
  expect(new Set(transfers.map(({ id }) => id)).size).toBe(3);
  for (const transfer of transfers) table.add(transfer);
  expect(table.find(transfers[0].id, mine)).toBe(transfers[0]);
  const unknown = expect.objectContaining({ code: 'ERR_PROTOCOL' });
  expect(() => table.find(transfers[0].id, other)).toThrow(unknown);
  expect(() => table.find(12_345, mine)).toThrow(unknown);
  expect(table.of(mine)).toEqual([transfers[0], transfers[2]]);
  table.remove(transfers[0]);
  expect(() => table.find(transfers[0].id, mine)).toThrow(unknown);
  expect(table.size).toBe(2);
});
