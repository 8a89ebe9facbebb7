/** Large messages where both ends map the memory, and may share a copy. */
import { describe, expect, test } from 'vitest';
import { filled } from '../../../../tools/bytes.ts';
import { exchange, expectClean, finish, messages, receive, scene, send } from './scene.ts';

describe('where both ends may copy', () => {
  const LENGTH = 1_000_000;
  const shared = { shared: true, maxBody: 64, eagerBytes: 100 };
  /** Indices in the claim words. */
  const [CLAIM, DONE, BROKEN] = [0, 1, 2];

  /** Rank 0 claims the second piece of a message to rank 1, and stops. */
  function stopped(seed: number) {
    const made = scene(seed, shared);
    const { simulation } = made;
    const from = filled(LENGTH, 7);
    const to = new Uint8Array(LENGTH);
    // Two messages before, so that the words were used.
    for (let i = 0; i < 2; i++) exchange(made, LENGTH);
    const claims = simulation.transports[1].connect(0).inboundClaims as Int32Array;
    let grabbed = -1;
    simulation.onMove = (rank) => {
      if (rank === 1 && grabbed < 0) grabbed = claims[CLAIM]++ & 0xffff;
    };
    const requests = [receive(made, to, 1, 0), send(made, from, 0, 1)];
    for (let i = 0; i < 100; i++) simulation.engines[1].progress();
    expect(grabbed).toBe(1);
    expect(requests.map(({ done }) => done)).toEqual([false, false]);
    return { made, requests, from, to, claims };
  }

  test.each([32_769, 65_536, 1_000_000])('%i bytes', (length) => {
    for (let seed = 0; seed < 5; seed++) {
      const made = scene(seed, shared);
      for (let i = 0; i < 12; i++) exchange(made, length);
      expectClean(made);
      expect(messages(made, 1).received.share).toBe(12);
    }
  });

  test('nobody waits for a sender that is stopped within a piece', () => {
    const { made, requests, from, to, claims } = stopped(1);
    const { simulation } = made;
    // The receiver's other messages go on, large ones as well.
    const back = [send(made, filled(300, 3), 1, 0, 5)];
    for (let i = 0; i < 100; i++) simulation.engines[1].progress();
    expect(requests[0].done).toBe(false);
    // It goes on.
    to.set(from);
    claims[DONE]++;
    back.push(receive(made, new Uint8Array(300), 0, 1, 5));
    finish(made, [...requests, ...back]);
    expect(requests[0].error).toBe(null);
    expect(Buffer.compare(to, from)).toBe(0);
    exchange(made, LENGTH);
    expectClean(made);
  });

  test('a piece that the sender could not copy is fetched', () => {
    const { made, requests, from, to, claims } = stopped(2);
    claims[BROKEN] = 3;
    claims[DONE]++;
    finish(made, requests);
    expect(Buffer.compare(to, from)).toBe(0);
    expectClean(made);
  });

  test('a sender that says it is done and is not breaks the protocol', () => {
    const { made, requests } = stopped(3);
    finish(made, requests);
    expect(requests[0].error?.code).toBe('ERR_PROTOCOL');
    expectClean(made);
  });

  test('a sender that is lost within a piece fails the receive', () => {
    const { made, requests } = stopped(4);
    made.simulation.lose(0, 1);
    expect(requests.map(({ error }) => error?.code)).toEqual([
      'ERR_PEER_FAILED',
      'ERR_PEER_FAILED',
    ]);
  });

  test("the sender's buffer is taken away in mid-transfer", () => {
    for (let seed = 0; seed < 30; seed++) {
      const made = scene(seed, shared);
      const { simulation } = made;
      const [from, to] = [filled(LENGTH, 1), new Uint8Array(LENGTH)];
      const requests = [receive(made, to, 1, 0), send(made, from, 0, 1)];
      for (let i = simulation.random.below(12); i > 0; i--) simulation.step();
      structuredClone(from.buffer, { transfer: [from.buffer] });
      finish(made, requests);
      if (requests[0].error === null) expect(Buffer.compare(to, filled(LENGTH, 1))).toBe(0);
      else expect(requests[0].error.code).toBe('ERR_BUFFER');
      expectClean(made);
    }
  });
});
