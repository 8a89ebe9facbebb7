/**
 * What further communicators cost, as JSON: with 2 ranks, a small message on one that `split` made against one on
 * the world; with 4, `dup` and `free` against a barrier. Both take turns, and the median turn counts.
 */
import { type Communicator, MPI } from '../../../runtime/index.ts';
import { median } from './spread.ts';

/** What communicators.ts prints. */
export interface CommunicatorFigures {
  /** Of the second to the first, by turn; the median of them. */
  ratio: number;
  /** Nanoseconds of each, medians. */
  first: number;
  second: number;
}

const TURNS = 41;
const { world } = MPI;
const bytes = new Uint8Array(8);

function pingPong(comm: Communicator, rounds: number): void {
  for (let i = 0; i < rounds; i++)
    if (comm.rank === 0) {
      comm.sendSync(bytes, 1, 0);
      comm.recvSync(bytes, 1, 0);
    } else {
      comm.recvSync(bytes, 0, 0);
      comm.sendSync(bytes, 0, 0);
    }
}

function nanoseconds(work: () => void, times: number): number {
  world.barrierSync();
  const started = performance.now();
  work();
  return ((performance.now() - started) * 1e6) / times;
}

function compare(first: () => void, second: () => void, times: number): CommunicatorFigures {
  const [firsts, seconds]: [number[], number[]] = [[], []];
  for (let turn = 0; turn < TURNS; turn++) {
    const a = nanoseconds(first, times);
    const b = nanoseconds(second, times);
    // The first ones are of code that is not compiled yet.
    if (turn < TURNS / 4) continue;
    firsts.push(a);
    seconds.push(b);
  }
  const ratio = median(seconds.map((each, turn) => each / firsts[turn]));
  return { ratio, first: median(firsts), second: median(seconds) };
}

function repeat(times: number, work: () => void): () => void {
  return () => {
    for (let i = 0; i < times; i++) work();
  };
}

const messages = () => {
  const comm = world.splitSync(0);
  const rounds = 20_000;
  return compare(
    () => pingPong(world, rounds),
    () => pingPong(comm, rounds),
    2 * rounds,
  );
};

const making = () => {
  const times = 500;
  return compare(
    repeat(times, () => world.barrierSync()),
    repeat(times, () => world.dupSync().free()),
    times,
  );
};

const figures = world.size === 2 ? messages() : making();
if (world.rank === 0) console.log(JSON.stringify(figures));
