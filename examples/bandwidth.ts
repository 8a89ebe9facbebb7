/**
 * Bandwidth and message rate: rank 0 sends windows of 64 messages without waiting for each, rank 1
 * acknowledges a whole window. Small messages show how many a second there can be, large ones how
 * many bytes.
 *
 *     npm run bandwidth
 *     dregrun -n 2 dist/examples/bandwidth.js --modes nonblocking --sizes 8,65536 --json
 *
 * See pingpong.ts first for what a rank is.
 */
import { MPI, Request, Status } from 'dreg-mpi';
import { makeBuffer, measure, roundsFor } from './measure.ts';
import type { Options } from './options.ts';
import { showBandwidth, showBytes, showRate, showTime } from './report.ts';
import { sweep } from './sweep.ts';

const TAG = 7;
/** Messages on their way at once. */
const WINDOW = 64;
/** Windows in a block: a fraction of a ping-pong's rounds, since each has so many messages. */
const windowsFor = (bytes: number, quick: boolean) => Math.floor(roundsFor(bytes, quick) / 40) + 1;

interface Row {
  mode: string;
  /** 'one': from rank 0 to rank 1; 'both': each sends and receives a window at the same time. */
  direction: 'one' | 'both';
  memory: 'private' | 'shared';
  bytes: number;
  /** Nanoseconds for each message: median and least over the blocks. */
  ns: number;
  best: number;
  messagesPerSecond: number;
  bytesPerSecond: number;
  /** Windows in a block. */
  rounds: number;
}

/** One pair of ranks at one size. */
class Traffic {
  readonly #comm = MPI.world;
  readonly #other = 1 - MPI.world.rank;
  /** All messages of a window come from one buffer and go to one: nobody looks at what they carry. */
  readonly #out: Uint8Array;
  readonly #in: Uint8Array;
  readonly #acknowledgement = new Uint8Array(1);
  readonly #status = new Status();

  constructor(bytes: number, allocate: boolean) {
    this.#out = makeBuffer(bytes, allocate);
    this.#in = makeBuffer(bytes, allocate);
  }

  /** Blocking calls: a small message is on its way as soon as sendSync returns. */
  sync(windows: number): void {
    for (let window = 0; window < windows; window++) {
      for (let i = 0; i < WINDOW; i++) {
        if (this.#comm.rank === 0) this.#comm.sendSync(this.#out, this.#other, TAG);
        else this.#comm.recvSync(this.#in, this.#other, TAG, this.#status);
      }
      this.#acknowledge();
    }
  }

  /** Nonblocking calls start an operation and return a request; waitAll blocks until all are done. */
  nonblocking(windows: number, both: boolean): void {
    for (let window = 0; window < windows; window++) {
      Request.waitAll(this.#start(both));
      this.#acknowledge();
    }
  }

  /** A request is awaited as a promise is. */
  async async(windows: number, both: boolean): Promise<void> {
    for (let window = 0; window < windows; window++) {
      for (const request of this.#start(both)) await request;
      if (this.#comm.rank === 0) await this.#comm.recv(this.#acknowledgement, this.#other, TAG + 1);
      else await this.#comm.send(this.#acknowledgement, this.#other, TAG + 1);
    }
  }

  #start(both: boolean): Request[] {
    const requests: Request[] = [];
    for (let i = 0; i < WINDOW; i++) {
      if (both || this.#comm.rank === 1)
        requests.push(this.#comm.irecv(this.#in, this.#other, TAG));
      if (both || this.#comm.rank === 0)
        requests.push(this.#comm.isend(this.#out, this.#other, TAG));
    }
    return requests;
  }

  /** One byte back from rank 1: a tag of its own keeps it apart from the messages. */
  #acknowledge(): void {
    if (this.#comm.rank === 0)
      this.#comm.recvSync(this.#acknowledgement, this.#other, TAG + 1, this.#status);
    else this.#comm.sendSync(this.#acknowledgement, this.#other, TAG + 1);
  }
}

async function measureRow(mode: string, bytes: number, options: Options): Promise<Row> {
  const { allocate, quick } = options;
  const rounds = windowsFor(bytes, quick);
  const [habit, direction = 'one'] = mode.split('-') as [string, Row['direction']?];
  const both = direction === 'both';
  const traffic = new Traffic(bytes, allocate);
  const timing = await measure(
    (windows) => {
      if (habit === 'sync') return traffic.sync(windows);
      return habit === 'async' ? traffic.async(windows, both) : traffic.nonblocking(windows, both);
    },
    rounds,
    quick,
  );
  const messages = WINDOW * (both ? 2 : 1);
  const ns = timing.median / messages;
  return {
    mode: habit,
    direction,
    memory: allocate ? 'shared' : 'private',
    bytes,
    ns: Number(ns.toFixed(1)),
    best: Number((timing.best / messages).toFixed(1)),
    messagesPerSecond: Math.round(1e9 / ns),
    bytesPerSecond: Math.round((bytes * 1e9) / ns),
    rounds,
  };
}

await sweep({
  usage: {
    program: 'bandwidth',
    purpose: `Bandwidth and message rate. Rank 1 acknowledges each ${WINDOW} messages, which are a window.`,
    modes: {
      sync: 'sendSync and recvSync',
      nonblocking: 'isend and irecv, then waitAll',
      'nonblocking-both': 'the same from both ranks at once',
      async: 'isend and irecv, awaited',
      'async-both': 'the same from both ranks at once',
    },
    columns: {
      'a message': 'time for one message of a window, the acknowledgement included',
      rate: 'messages a second',
      bandwidth: 'bytes a second',
    },
  },
  measureRow,
  columns: {
    mode: (row) => row.mode,
    direction: (row) => row.direction,
    size: (row) => showBytes(row.bytes),
    'a message': (row) => showTime(row.ns),
    rate: (row) => showRate(row.messagesPerSecond),
    bandwidth: (row) => showBandwidth(row.bytesPerSecond),
  },
  plot: {
    title: 'Bandwidth',
    y: 'bytes a second',
    show: showBandwidth,
    value: (row) => row.bytesPerSecond,
  },
});
