/**
 * What operations.ts measures of ours, by two ranks: `ours.js MEASURE…`, a line of JSON each. peer.c has the
 * same in plain MPI.
 */
import { MPI, msgpackCodec, Request, Status } from 'dreg-mpi';
import { median } from '../p2p/spread.ts';

/** A measure of ours: of one thing, or of one thing by another in turns. */
export interface OurFigure {
  measure: string;
  ns: number;
  /** What it is compared with, nanoseconds; and the median of the turns' ratios. */
  by?: number;
  ratio?: number;
}

const MANY = 1000;
const BLOCKS = 61;
/** Blocks before those, until V8 has compiled what they run. */
const WARM_UP = 60;
const TURNS = 100;
const SMALL_TURNS = 1000;
const LARGE_TURNS = 10;
const GO = MANY;
const MEBIBYTE = 2 ** 20;

const { world } = MPI;
const first = world.rank === 0;
const status = new Status();
const byte = new Uint8Array(1);
const outgoing = new Uint8Array(8);
const incoming = Array.from({ length: MANY }, () => new Uint8Array(8));

/** Half of a round trip, `turns` times. */
function pingPong(turns: number, send: () => void, receive: () => void): () => void {
  return () => {
    for (let i = 0; i < turns; i++) {
      if (first) send();
      receive();
      if (!first) send();
    }
  };
}

function go(from: number): void {
  if (world.rank === from) world.sendSync(byte, 1 - from, GO);
  else world.recvSync(byte, from, GO, status);
}

function sendAll(reversed: boolean): void {
  for (let i = 0; i < MANY; i++) world.sendSync(outgoing, 1, reversed ? MANY - 1 - i : i);
}

function postAll(): Request[] {
  return incoming.map((bytes, tag) => world.irecv(bytes, 0, tag));
}

function posted(end: (requests: Request[]) => void, reversed: boolean): () => void {
  return () => {
    const requests = first ? [] : postAll();
    go(1);
    if (first) sendAll(reversed);
    else end(requests);
    go(1);
  };
}

function unexpected(reversed: boolean): () => void {
  return () => {
    if (first) sendAll(false);
    // What rank 0 sends last is received first.
    go(0);
    if (!first)
      for (let i = 0; i < MANY; i++) {
        const tag = reversed ? MANY - 1 - i : i;
        world.recvSync(incoming[tag], 0, tag, status);
      }
    go(1);
  };
}

function anyOf(requests: Request[]): void {
  for (let i = 0; i < MANY; i++) Request.waitAny(requests);
}

function column(): () => void {
  const matrix = new Float64Array(MANY * MANY).fill(1);
  const at = (offset: number) => ({ data: matrix, shape: [MANY], stride: [MANY], offset });
  const [mine, theirs] = [at(0), at(1)];
  return pingPong(
    TURNS,
    () => world.sendSync(mine, first ? 1 : 0, 0),
    () => world.recvSync(theirs, first ? 1 : 0, 0, status),
  );
}

/** @param anew each message is received into memory of its own, as an object's arrays are */
function buffers(bytes: number, turns: number, anew = false): () => void {
  const [out, into] = [new Uint8Array(bytes).fill(1), new Uint8Array(bytes).fill(1)];
  const other = 1 - world.rank;
  return pingPong(
    turns,
    () => world.sendSync(out, other, 7),
    () => world.recvSync(anew ? new Uint8Array(bytes) : into, other, 7, status),
  );
}

function persistentPair(): () => void {
  const other = 1 - world.rank;
  const send = world.persistent.send(outgoing, other, 7);
  const receive = world.persistent.recv(incoming[0], other, 7);
  return pingPong(
    SMALL_TURNS,
    () => send.runSync(),
    () => void receive.runSync(),
  );
}

function objects(value: unknown, turns: number): () => void {
  const channel = world.objects();
  const other = 1 - world.rank;
  return pingPong(
    turns,
    () => channel.sendSync(value, other),
    () => void channel.recvSync(other),
  );
}

/** An object that MessagePack writes in about a kilobyte. */
function kilobyte(): unknown {
  const rows = Array.from({ length: 20 }, (_, id) => ({ id, name: `row ${id}`, mean: id / 3 }));
  return { title: 'a kilobyte of rows', rows };
}

/** What an object's bytes cost in each half of a round trip, and what it costs to make and to read them. */
function codecAndBuffer(value: unknown): () => void {
  const views: ArrayBufferView[] = [];
  const messages = buffers(msgpackCodec.encode(value, views).length, SMALL_TURNS);
  return () => {
    for (let i = 0; i < 2 * SMALL_TURNS; i++)
      msgpackCodec.decode(msgpackCodec.encode(value, views), []);
    messages();
  };
}

/** By name: what is done, how many parts it has, and what it is compared with, part by part. */
const MEASURES: Record<string, () => { work: () => void; parts: number; by?: () => void }> = {
  waitAny: () => ({ work: posted(anyOf, false), parts: MANY }),
  posted: () => ({ work: posted(Request.waitAll, false), parts: MANY }),
  'posted-reversed': () => ({ work: posted(Request.waitAll, true), parts: MANY }),
  unexpected: () => ({ work: unexpected(false), parts: MANY }),
  'unexpected-reversed': () => ({ work: unexpected(true), parts: MANY }),
  column: () => ({ work: column(), parts: 2 * TURNS }),
  persistent: () => ({
    work: persistentPair(),
    by: buffers(8, SMALL_TURNS),
    parts: 2 * SMALL_TURNS,
  }),
  object: () => ({
    work: objects(kilobyte(), SMALL_TURNS),
    by: codecAndBuffer(kilobyte()),
    parts: 2 * SMALL_TURNS,
  }),
  'object-with-array': () => ({
    work: objects({ step: 1, values: new Float32Array(MEBIBYTE / 4).fill(1) }, LARGE_TURNS),
    by: buffers(MEBIBYTE, LARGE_TURNS, true),
    parts: 2 * LARGE_TURNS,
  }),
};

function nanoseconds(work: () => void, parts: number): number {
  world.barrierSync();
  const started = performance.now();
  work();
  return ((performance.now() - started) * 1e6) / parts;
}

function measure(name: string): OurFigure {
  const { work, by, parts } = MEASURES[name]();
  const [ours, theirs]: [number[], number[]] = [[], []];
  for (let block = -WARM_UP; block < BLOCKS; block++) {
    const figure = nanoseconds(work, parts);
    const other = by === undefined ? 0 : nanoseconds(by, parts);
    if (block < 0) continue;
    ours.push(figure);
    theirs.push(other);
  }
  const ns = median(ours);
  if (by === undefined) return { measure: name, ns };
  const ratio = median(ours.map((each, block) => each / theirs[block]));
  return { measure: name, ns, by: median(theirs), ratio };
}

for (const name of process.argv.slice(2)) {
  const figure = measure(name);
  if (first) console.log(JSON.stringify(figure));
}
