/** A peer that breaks the protocol of transfers. */
import { describe, expect, test } from 'vitest';
import { MpiError } from '../../../../../runtime/base/error.ts';
import type { Request } from '../../../../../runtime/index.ts';
import { EXTENSION_WORDS } from '../../../../../transports/transport.ts';
import { filled } from '../../../../tools/bytes.ts';
import { Random } from '../../../../tools/random.ts';
import { expectClean, finish, receive, scene, send } from './scene.ts';

const NONE = new Uint8Array(0);

describe('a peer that breaks the protocol of transfers', () => {
  const words = (...values: number[]) => {
    const all = new Int32Array(EXTENSION_WORDS);
    all.set(values);
    return all;
  };
  const [RTS, CTS, DATA, FIN, CANCEL, SEGMENT, TARGET, FETCHED, WRITTEN, PUT_FIN] = [
    2, 3, 4, 5, 6, 9, 10, 11, 12, 13,
  ];

  /** Rank 0 forges packets to rank 1, which has a send and a receive under way with it. */
  function forge(
    way: 'get' | 'put' | 'copy',
    kind: number,
    tag: number,
    extension: Int32Array | null,
  ) {
    const made = scene(8, { rendezvous: way, room: 1000 });
    const { simulation } = made;
    const requests = [
      receive(made, new Uint8Array(4000), 1, 0),
      send(made, filled(4000, 1), 0, 1),
      receive(made, new Uint8Array(4000), 0, 1, 3),
      send(made, filled(4000, 1), 1, 0, 3),
    ];
    const waiting = receive(made, new Uint8Array(8), 1, 0, 77);
    for (let i = 0; i < 30; i++) simulation.step();
    const channel = simulation.transports[0].connect(1);
    if (extension === null) channel.trySend(kind, 0, tag, NONE, 0, 0);
    else channel.trySendExtended(kind, 0, tag, extension, NONE, 0, 0);
    finish(made, [...requests, waiting]);
    expect(waiting.error).toMatchObject({ code: 'ERR_PROTOCOL', peer: 0, rank: 1 });
    expectClean(made);
  }

  // The first transfer of a table has the id 2^20; what is under way here has it in both directions.
  const ID = 2 ** 20;

  test.each<[string, 'get' | 'put' | 'copy', number, number, Int32Array | null]>([
    ['an unknown kind', 'get', 99, 0, null],
    ['a segment of what is not fetched', 'put', SEGMENT, ID, words(64, 3, 0, 0, 0, 64)],
    ['a segment of an unknown message', 'get', SEGMENT, 5, words(64, 3)],
    ['a segment that leaves a gap', 'get', SEGMENT, ID, words(64, 3, 0, 0, 0, 3900)],
    ['a segment beyond the end', 'get', SEGMENT, ID, words(100_000, 3, 0, 0, 0, 0)],
    ['a segment of nothing', 'get', SEGMENT, ID, words(0, 3, 0, 0, 0, 0)],
    ['a segment of negative length', 'get', SEGMENT, ID, words(-5, 3, 0, 0, 0, 0)],
    ['a segment before the beginning', 'get', SEGMENT, ID, words(64, 3, 0, 0, 0, -64, -1)],
    ['a target for what is not written', 'get', TARGET, ID, words(64, 3, 0, 0, 0, 64)],
    ['a target that leaves a gap', 'put', TARGET, ID, words(64, 3, 0, 0, 0, 3900)],
    ['FETCHED of what has no segments', 'put', FETCHED, ID, null],
    ['FETCHED of an unknown message', 'get', FETCHED, 7, null],
    ['WRITTEN of what is not written', 'get', WRITTEN, ID, null],
    ['PUT_FIN of what is not written', 'get', PUT_FIN, ID, words(4000)],
    ['PUT_FIN beyond what was exported', 'put', PUT_FIN, ID, words(4001)],
    ['PUT_FIN before the first piece', 'put', PUT_FIN, ID, words(3)],
    ['PUT_FIN of a negative position', 'put', PUT_FIN, ID, words(0, -1)],
    ['CANCEL of what is written', 'put', CANCEL, ID, null],
    ['DATA of what is written', 'put', DATA, ID, null],
    ['FIN of what was asked for', 'put', FIN, ID, null],
    ['CTS twice', 'put', CTS, 0, words(ID, ID, 1, 100)],
    ['CTS by an unknown way', 'get', CTS, 0, words(ID, ID, 9, 100)],
    ['CTS for a copy from beyond the end', 'get', CTS, 0, words(ID, ID, 1, 4000)],
    ['CTS for a copy from before the first piece', 'get', CTS, 0, words(ID, ID, 1, 1)],
    ['CTS to share what cannot be', 'copy', CTS, 0, words(ID, ID, 2)],
    [
      'an offer that exports more than there is',
      'get',
      RTS,
      3,
      words(5000, 0, 1, 3, 0, 0, 0, 5001),
    ],
    ['an offer that exports less than it brings', 'get', RTS, 3, words(5000, 0, 1, 3, 0, 0, 0, -1)],
  ])('%s', (_what, way, kind, tag, extension) => forge(way, kind, tag, extension));

  test.each(['get', 'put', 'copy'] as const)(
    'at random, in the midst of transfers by %s',
    (way) => {
      let lost = 0;
      for (let seed = 0; seed < 150; seed++) {
        const random = new Random(seed);
        const made = scene(seed, { rendezvous: way, room: 1000 });
        const { simulation } = made;
        const requests: Request[] = [];
        for (let tag = 0; tag < 3; tag++)
          for (const [from, to] of [
            [0, 1],
            [1, 0],
          ]) {
            const length = 200 + random.below(3000);
            requests.push(send(made, filled(length, tag), from, to, tag));
            requests.push(receive(made, new Uint8Array(length), to, from, tag));
          }
        const channel = simulation.transports[0].connect(1);
        const value = () =>
          random.pick([0, 1, 2, 3, 4, -1, ID, ID * 2 + 1, 64, 128, 1000, random.next() | 0]);
        for (let i = 0; i < 40 && !channel.broken; i++) {
          simulation.step();
          const extension = words(...Array.from({ length: EXTENSION_WORDS }, value));
          const kind = random.pick([
            CTS,
            DATA,
            FIN,
            CANCEL,
            SEGMENT,
            TARGET,
            FETCHED,
            WRITTEN,
            PUT_FIN,
          ]);
          channel.trySendExtended(kind, 0, value() & 0x7fff_ffff, extension, NONE, 0, 0);
        }
        for (let i = 0; i < 3000; i++) simulation.step();
        if (channel.broken) lost++;
        for (const { error } of requests)
          if (error !== null) expect(error).toBeInstanceOf(MpiError);
        if (!channel.broken) continue;
        for (const { done } of requests) expect(done).toBe(true);
        expect(simulation.operations).toEqual([]);
        expect(simulation.open).toBe(0);
        // Who says that it is done with a segment, and is not, harms itself.
        const harm = simulation.offences.filter((what) => !what.includes('is used after'));
        expect(harm).toEqual([]);
      }
      expect(lost).toBeGreaterThan(140);
    },
  );
});
