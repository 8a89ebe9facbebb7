/**
 * Operations of several parts, over a simulated transport: they end when all of their parts have, and leave
 * nothing behind. What a rank can do with itself alone is here, too.
 */
import { describe, expect, test } from 'vitest';
import { ANY_SOURCE, ANY_TAG } from '../../../../../runtime/base/constants.ts';
import { MpiError } from '../../../../../runtime/base/error.ts';
import type { Communicator } from '../../../../../runtime/mpi/communicator.ts';
import { selfOf, worldOf } from '../../../../../runtime/mpi/first-communicators.ts';
import { Random } from '../../../../tools/random.ts';
import { Simulation } from '../../messaging/simulated.ts';

/** Beyond what goes eagerly: its send ends when its receiver has it. */
const LARGE = 1000;
const STEPS = 500;

class Ranks {
  readonly simulation: Simulation;
  readonly worlds: Communicator[];

  constructor(ranks: number) {
    this.simulation = new Simulation({ random: new Random(1), ranks });
    this.worlds = this.simulation.engines.map((engine) => worldOf(engine));
  }

  /** Lets all that can happen happen, reactions to promises included. */
  async settle(): Promise<void> {
    for (let i = 0; i < STEPS; i++) this.simulation.step();
    await new Promise((done) => setImmediate(done));
  }

  /** While a rank blocks the others make progress, and at its n-th look something else happens. */
  whileBlocked(rank: number, at: number, happens: () => void): void {
    const node = this.simulation.transports[rank];
    const { poll } = node;
    let looks = 0;
    node.poll = (handler) => {
      if (++looks === at) happens();
      if (looks > 10 * STEPS) throw new Error('it never ends');
      for (const engine of this.simulation.engines) if (engine.rank !== rank) engine.progress();
      return poll.call(node, handler);
    };
  }

  /** Receives that a rank has posted, of the program and of collective operations. */
  posted(rank: number): number {
    const { receiving } = this.simulation.engines[rank];
    receiving.prematched.post();
    return receiving.contexts.of(0).posted.count + receiving.contexts.of(1).posted.count;
  }
}

/** What became of a promise so far. */
function outcome(promise: Promise<unknown>): { now: string } {
  const seen = { now: 'pending' };
  promise.then(
    () => {
      seen.now = 'done';
    },
    (error: MpiError) => {
      seen.now = error.code;
    },
  );
  return seen;
}

describe('sendrecv fails only when neither buffer is in use any more', () => {
  test('where the receive fails first', async () => {
    const ranks = new Ranks(2);
    const [here, there] = ranks.worlds;
    const sent = new Uint8Array(LARGE).fill(1);
    const seen = outcome(here.sendrecv(sent, 1, 1, new Uint8Array(8), 1, 2));
    there.isend(new Uint8Array(16), 0, 2);
    await ranks.settle();
    expect(seen.now).toBe('pending');
    const got = new Uint8Array(LARGE);
    there.irecv(got, 0, 1);
    await ranks.settle();
    expect(seen.now).toBe('ERR_TRUNCATE');
    expect([got[0], got[LARGE - 1]]).toEqual([1, 1]);
    ranks.simulation.close();
  });

  test('where the receive fails first, blocking', async () => {
    const ranks = new Ranks(2);
    const [here, there] = ranks.worlds;
    const sent = new Uint8Array(LARGE).fill(1);
    const got = new Uint8Array(LARGE);
    there.isend(new Uint8Array(16), 0, 2);
    ranks.whileBlocked(0, STEPS, () => there.irecv(got, 0, 1));
    expect(() => here.sendrecvSync(sent, 1, 1, new Uint8Array(8), 1, 2)).toThrow(/larger than/);
    sent.fill(255);
    await ranks.settle();
    expect([got[0], got[LARGE - 1]]).toEqual([1, 1]);
    ranks.simulation.close();
  });
});

describe('a sendrecv whose send fails takes its receive back', () => {
  const LOST = new MpiError('ERR_PEER_FAILED', 'the connection broke', {});

  async function expectNothingLost(ranks: Ranks, untouched: Uint8Array): Promise<void> {
    expect(ranks.posted(0)).toBe(0);
    const [here, , third] = ranks.worlds;
    third.isend(Uint8Array.of(42), 0, 7);
    await ranks.settle();
    const got = new Uint8Array(1);
    here.irecv(got, 2, 7);
    await ranks.settle();
    expect(got[0]).toBe(42);
    expect(untouched[0]).toBe(0);
    ranks.simulation.close();
  }

  test.each(['sendrecv', 'sendrecvSync'] as const)('%s to a rank that is lost', async (name) => {
    const ranks = new Ranks(3);
    const [here, , third] = ranks.worlds;
    here.isend(Uint8Array.of(1), 1);
    ranks.simulation.lose(0, 1, LOST);
    third.isend(Uint8Array.of(42), 0, 7);
    await ranks.settle();
    const got = new Uint8Array(1);
    // Not even a message that is there already is taken.
    await expect((async () => here[name](new Uint8Array(1), 1, 7, got, 2, 7))()).rejects.toThrow(
      expect.objectContaining({ code: 'ERR_PEER_FAILED' }),
    );
    await expectNothingLost(ranks, got);
  });

  test('to one that is lost under way', async () => {
    const ranks = new Ranks(3);
    const got = new Uint8Array(1);
    const seen = outcome(ranks.worlds[0].sendrecv(new Uint8Array(LARGE), 1, 7, got, 2, 7));
    await ranks.settle();
    expect(seen.now).toBe('pending');
    ranks.simulation.lose(0, 1, LOST);
    await ranks.settle();
    expect(seen.now).toBe('ERR_PEER_FAILED');
    await expectNothingLost(ranks, got);
  });

  test('to one that is lost under way, blocking', async () => {
    const ranks = new Ranks(3);
    const got = new Uint8Array(1);
    ranks.whileBlocked(0, STEPS, () => ranks.simulation.lose(0, 1, LOST));
    expect(() => ranks.worlds[0].sendrecvSync(new Uint8Array(LARGE), 1, 7, got, 2, 7)).toThrow(
      expect.objectContaining({ code: 'ERR_PEER_FAILED' }),
    );
    await expectNothingLost(ranks, got);
  });
});

test.each(['barrier', 'barrierSync'] as const)(
  'a %s that fails leaves no receive behind',
  async (name) => {
    const ranks = new Ranks(3);
    ranks.worlds[0].isend(Uint8Array.of(1), 1);
    ranks.simulation.lose(0, 1);
    await ranks.settle();
    const [here] = ranks.worlds;
    await expect((async () => here[name]())()).rejects.toThrow(/cannot be talked to/);
    expect(ranks.posted(0)).toBe(0);
    ranks.simulation.close();
  },
);

describe('a rank that blocks for a message that only itself could send', () => {
  const DEADLOCK = expect.objectContaining({ code: 'ERR_DEADLOCK' });
  const communicators: [string, number, (ranks: Ranks) => Communicator][] = [
    ['the world', 0, (ranks) => ranks.worlds[0]],
    ['a communicator of its own', ANY_SOURCE, (ranks) => selfOf(ranks.simulation.engines[0])],
  ];

  test.each(communicators)('learns it in %s, and loses nothing', (_name, source, make) => {
    const ranks = new Ranks(2);
    const comm = make(ranks);
    const failed = new Uint8Array(1);
    expect(() => comm.recvSync(failed, source)).toThrow(DEADLOCK);
    comm.isend(Uint8Array.of(5), 0);
    const got = new Uint8Array(1);
    expect(comm.recvSync(got, source, ANY_TAG).source).toBe(0);
    expect([failed[0], got[0]]).toEqual([0, 5]);
    ranks.simulation.close();
  });

  test('may send it after a wait has failed, and wait again', () => {
    const ranks = new Ranks(2);
    const [here] = ranks.worlds;
    const got = new Uint8Array(LARGE);
    const receive = here.irecv(got, 0, 3);
    expect(() => receive.wait()).toThrow(DEADLOCK);
    expect(receive.done).toBe(false);
    const send = here.isend(new Uint8Array(LARGE).fill(9), 0, 3);
    expect(receive.wait().byteLength).toBe(LARGE);
    send.wait();
    expect(got[LARGE - 1]).toBe(9);
    const unreceived = here.isend(new Uint8Array(100_000), 0, 4);
    expect(() => unreceived.wait()).toThrow(DEADLOCK);
    ranks.simulation.close();
  });
});

describe('requests of sends', () => {
  test('are one for each, and tell what was sent', () => {
    const ranks = new Ranks(2);
    const [here] = ranks.worlds;
    const requests = [
      here.isend(new Uint8Array(3), 1, 5),
      here.isend(new Uint8Array(3), 1, 6),
      here.isend(new Uint16Array(2), 1, 7),
    ];
    for (const request of requests) request.wait();
    expect(new Set(requests).size).toBe(3);
    expect(
      requests.map(({ status: { source, tag, byteLength } }) => [source, tag, byteLength]),
    ).toEqual([
      [1, 5, 3],
      [1, 6, 3],
      [1, 7, 4],
    ]);
    ranks.simulation.close();
  });
});
