/**
 * Ping-pong: rank 0 sends a message, rank 1 sends it back. Half of the time that this takes is what
 * one message costs from a program to another one: its latency.
 *
 *     npm run pingpong
 *     dregrun -n 2 dist/examples/pingpong.js --sizes 8,1024 --svg latency.svg
 *
 * What caching registrations is worth, over RDMA: each message registers its memory, or finds it
 * registered and still the same. One run each, the second shows both:
 *
 *     dregrun -n 2 dist/examples/pingpong.js --transport verbs --monitor none --json >none.jsonl
 *     dregrun -n 2 dist/examples/pingpong.js --transport verbs --monitor dreg --beside none.jsonl --svg worth.svg
 *
 * An MPI job is one program, started several times. Each process is a *rank* and knows its number;
 * here rank 0 and rank 1 do the two halves of the same conversation.
 */
import { type Communicator, MPI, Status } from 'dreg-mpi';
import { type Exchange, makeBuffer, measure, quantile, roundsFor } from './measure.ts';
import type { Options } from './options.ts';
import { showBytes, showTime } from './report.ts';
import { sweep } from './sweep.ts';

/** Messages carry a number of the program's choice, and a receive may ask for it. */
const TAG = 7;
/** Round trips timed one by one, to see the slow ones that a median hides. */
const SINGLES = 1000;
const QUICK_SINGLES = 10;

interface Row {
  mode: string;
  memory: 'private' | 'shared';
  bytes: number;
  /** Half round trip in nanoseconds: median and least over the blocks. */
  ns: number;
  best: number;
  /** One in a hundred single round trips took longer; half of its time, the clock's included. */
  p99: number;
  /** Round trips in a block. */
  rounds: number;
}

/** One conversation at one size. */
class Game {
  readonly #comm: Communicator;
  readonly #out: Uint8Array;
  readonly #in: Uint8Array;
  /** Filled by each receive; without it each receive would make a new one. */
  readonly #status = new Status();
  /** Takes the time at the end of each round, if set. */
  times: Float64Array | null = null;

  constructor(comm: Communicator, bytes: number, allocate: boolean) {
    this.#comm = comm;
    this.#out = makeBuffer(bytes, allocate);
    this.#in = makeBuffer(bytes, allocate);
  }

  /** Calls that end in `Sync` block the thread until the message is there: fastest, but alone. */
  sync(rounds: number): void {
    const comm = this.#comm;
    for (let round = 0; round < rounds; round++) {
      if (comm.rank === 0) {
        comm.sendSync(this.#out, 1, TAG);
        comm.recvSync(this.#in, 1, TAG, this.#status);
        if (this.times !== null) this.times[round] = performance.now();
      } else {
        comm.recvSync(this.#in, 0, TAG, this.#status);
        comm.sendSync(this.#out, 0, TAG);
      }
    }
  }

  /** The same calls without `Sync` give promises: timers and sockets of this process go on. */
  async async(rounds: number): Promise<void> {
    const comm = this.#comm;
    for (let round = 0; round < rounds; round++) {
      if (comm.rank === 0) {
        await comm.send(this.#out, 1, TAG);
        await comm.recv(this.#in, 1, TAG);
        if (this.times !== null) this.times[round] = performance.now();
      } else {
        await comm.recv(this.#in, 0, TAG);
        await comm.send(this.#out, 0, TAG);
      }
    }
  }
}

/** The time that 99 of 100 round trips stay below. */
async function slowest(game: Game, exchange: Exchange, count: number): Promise<number> {
  const times = new Float64Array(count);
  game.times = times;
  await exchange(count);
  game.times = null;
  const durations = times.subarray(1).map((time, index) => (time - times[index]) * 1e6);
  return quantile(durations.sort(), 0.99);
}

async function measureRow(mode: string, bytes: number, options: Options): Promise<Row> {
  const { allocate, quick } = options;
  const rounds = roundsFor(bytes, quick);
  const game = new Game(MPI.world, bytes, allocate);
  const exchange: Exchange = mode === 'sync' ? (n) => game.sync(n) : (n) => game.async(n);
  const { median, best } = await measure(exchange, rounds, quick);
  const p99 = await slowest(game, exchange, quick ? QUICK_SINGLES : SINGLES);
  const half = (ns: number) => Math.round(ns * 5) / 10;
  const memory = allocate ? 'shared' : 'private';
  return { mode, memory, bytes, ns: half(median), best: half(best), p99: half(p99), rounds };
}

await sweep({
  usage: {
    program: 'pingpong',
    purpose: 'Half round trip of a message between rank 0 and rank 1.',
    modes: { sync: 'sendSync and recvSync, which block', async: 'await send and await recv' },
    columns: {
      median: 'of many blocks of round trips',
      p99: `99 of 100 single round trips take less. ${SINGLES} of them are timed, after the blocks:
          on a busy machine this may be less than the median`,
      best: 'the fastest block',
    },
  },
  measureRow,
  columns: {
    mode: (row) => row.mode,
    size: (row) => showBytes(row.bytes),
    median: (row) => showTime(row.ns),
    p99: (row) => showTime(row.p99),
    best: (row) => showTime(row.best),
  },
  plot: { title: 'Half round trip', y: 'time', show: showTime, value: (row) => row.ns },
});
