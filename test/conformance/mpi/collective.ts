/** Steps of collective operations (MPI 4.1, 6). What each does stands in collective.c. */
import {
  type Elements,
  IN_PLACE,
  MPI,
  type Persistent,
  type Request,
} from '../../../runtime/index.ts';
import { forgetOverrides } from '../../../runtime/mpi/collective/select.ts';
import { beRough, fillElements, type Maker, opOf, typeOf, unitOf } from './elements.ts';
import { checksum, commOf, comms, type Step, type Steps } from './step.ts';

const ROUNDS = 2;
const ROOT = -3;

/** A line of the schedule. */
interface Call {
  readonly step: Step;
  readonly rank: number;
  /** Ranks that this one exchanges blocks with: all, or those of the other group. */
  readonly size: number;
  /** Ranks of this group. */
  readonly local: number;
  readonly betweenGroups: boolean;
  readonly type: Maker;
  readonly unit: number;
  readonly op: string;
  readonly root: number;
  /** Whether the root's part is this rank's, and whether the others' is. */
  readonly atRoot: boolean;
  readonly besideRoot: boolean;
  readonly inPlace: boolean;
  readonly count: number;
  readonly lists: readonly (readonly number[])[];
  /** Takes one of the ways in which a call can be written. */
  readonly way: number;
}

/** What a rank passes. */
interface Plan {
  readonly args: readonly unknown[];
  /** What it gives, in the order of its seed. */
  readonly given: Elements;
  /** What it gets: all of it is compared. Where it is null, what the call returns is. */
  readonly taken: Elements | null;
}

type Method = (...args: readonly unknown[]) => unknown;
type Operations = Readonly<Record<string, Method>>;

/** Memory of the program, or one that all ranks of the machine have. */
function memory({ type, unit, way }: Call, count: number): Elements {
  if (way % 7 > 0) return new type(count * unit);
  return new type(MPI.allocate(count * unit * type.BYTES_PER_ELEMENT));
}

const part = ({ unit }: Call, array: Elements, at: number, count: number) =>
  array.subarray(at * unit, (at + count) * unit) as Elements;

/** Elements of an array in which blocks lie. */
const extent = (counts: readonly number[], displs: readonly number[]) =>
  counts.reduce((end, count, i) => Math.max(end, displs[i] + count), 0);

/** As views, or by numbers. */
function blocksOf(
  call: Call,
  data: Elements,
  counts: readonly number[],
  displs: readonly number[],
) {
  const { unit, way } = call;
  if (way % 2 === 0) return counts.map((count, i) => part(call, data, displs[i], count));
  const scaled = (list: readonly number[]) => list.map((one) => one * unit);
  return { data, counts: scaled(counts), displs: scaled(displs) };
}

/** A rank's own elements, and room; those lie in the room from `own` on where the call is in place. */
function arranged(call: Call, sent: number, room: number, own: number) {
  const into = memory(call, room);
  if (call.inPlace) return { send: IN_PLACE, into, given: part(call, into, own, sent) };
  const send = memory(call, sent);
  return { send, into, given: send };
}

/** Memory for the result, in some calls of operations that make it themselves. */
const mayLeaveOut = ({ inPlace, betweenGroups, way }: Call) =>
  way % 3 === 0 && !inPlace && !betweenGroups;

/** A block of each rank, for the root. */
function gathering(
  call: Call,
  room: number,
  own: number,
  blocks: (into: Elements) => unknown,
): Plan {
  const { atRoot, besideRoot, root, step } = call;
  const { send, into, given } = arranged(
    call,
    besideRoot ? call.count : 0,
    atRoot ? room : 0,
    call.inPlace ? own : 0,
  );
  const fresh = atRoot && step.words[0] === 'gather' && mayLeaveOut(call);
  const receive = atRoot && !fresh ? blocks(into) : null;
  return { args: [besideRoot ? send : null, receive, root], given, taken: fresh ? null : into };
}

function scattering(call: Call, sent: number, blocks: (send: Elements) => unknown): Plan {
  const { atRoot, besideRoot, root, count } = call;
  const send = memory(call, atRoot ? sent : 0);
  const into = memory(call, besideRoot && !call.inPlace ? count : 0);
  const receive = call.inPlace ? IN_PLACE : besideRoot ? into : null;
  return { args: [atRoot ? blocks(send) : null, receive, root], given: send, taken: into };
}

/** What all ranks get. */
function exchanging(
  call: Call,
  sent: number,
  room: number,
  own: number,
  blocks: (send: unknown, into: Elements) => unknown[] = (send, into) => [send, into],
): Plan {
  const { send, into, given } = arranged(call, sent, room, own);
  return { args: blocks(send, into), given, taken: into };
}

/** In place a block is at the beginning of what is given. */
function scatteringReduced(call: Call, own: number): Plan {
  const { send, into, given } = arranged(call, call.count, call.inPlace ? call.count : own, 0);
  return { args: [send, into, opOf(call.op)], given, taken: part(call, into, 0, own) };
}

const OF_SCALARS = ['reduce', 'allreduce', 'scan', 'exscan'];

/** A single number goes as it is, in some calls. */
const isScalar = ({ count, unit, inPlace, type, step, betweenGroups, way }: Call) =>
  way % 2 === 0 &&
  count * unit === 1 &&
  !inPlace &&
  !betweenGroups &&
  step.words[2] === 'now' &&
  (type === (Float64Array as Maker) || type === (BigInt64Array as Maker));

const OPERATIONS: Readonly<Record<string, (call: Call) => Plan>> = {
  barrier: (call) => exchanging(call, 0, 0, 0, () => []),

  bcast(call) {
    const data = memory(call, call.count);
    const given = part(call, data, 0, call.atRoot ? call.count : 0);
    return { args: [data, call.root], given, taken: data };
  },

  gather: (call) => gathering(call, call.count * call.size, call.count * call.rank, (into) => into),

  gatherv(call) {
    const [counts, displs] = call.lists;
    const room = call.atRoot ? extent(counts, displs) : 0;
    const own = call.inPlace ? displs[call.rank] : 0;
    return gathering(call, room, own, (into) => blocksOf(call, into, counts, displs));
  },

  scatter: (call) => scattering(call, call.count * call.size, (send) => send),

  scatterv(call) {
    const [counts, displs] = call.lists;
    const sent = call.atRoot ? extent(counts, displs) : 0;
    return scattering(call, sent, (send) => blocksOf(call, send, counts, displs));
  },

  allgather(call) {
    const theirs = call.betweenGroups ? call.lists[0][0] : call.count;
    return exchanging(call, call.count, theirs * call.size, theirs * call.rank);
  },

  allgatherv(call) {
    const [counts, displs] = call.lists;
    const own = call.inPlace ? displs[call.rank] : 0;
    return exchanging(call, call.count, extent(counts, displs), own, (send, into) => [
      send,
      blocksOf(call, into, counts, displs),
    ]);
  },

  alltoall(call) {
    const theirs = call.betweenGroups ? call.lists[0][0] : call.count;
    return exchanging(call, call.count * call.size, theirs * call.size, 0);
  },

  alltoallv(call) {
    const [counts, displs, theirs, places] = call.lists;
    const room = extent(theirs, places);
    const sent = call.inPlace ? room : extent(counts, displs);
    return exchanging(call, sent, room, 0, (send, into) => [
      send === IN_PLACE ? send : blocksOf(call, send as Elements, counts, displs),
      blocksOf(call, into, theirs, places),
    ]);
  },

  alltoallw(call) {
    const [counts, displs, theirs, places, types, others] = call.lists;
    const all = [Uint8Array, Int32Array, Float64Array];
    const views = (
      data: Elements,
      lengths: readonly number[],
      at: readonly number[],
      of: readonly number[],
    ) =>
      lengths.map(
        (count, i) => new all[of[i]](data.buffer as ArrayBuffer, data.byteOffset + at[i], count),
      );
    return exchanging(call, call.count, call.count, 0, (send, into) => [
      views(send as Elements, counts, displs, types),
      views(into, theirs, places, others),
    ]);
  },

  reduce(call) {
    const { atRoot, besideRoot, root, count } = call;
    const { send, into, given } = arranged(call, besideRoot ? count : 0, atRoot ? count : 0, 0);
    const op = opOf(call.op);
    const fresh = atRoot && mayLeaveOut(call);
    const receive = atRoot && !fresh ? into : null;
    const args = [besideRoot ? send : null, receive, op, root];
    return { args, given, taken: fresh ? null : into };
  },

  allreduce(call) {
    const { send, into, given } = arranged(call, call.count, call.count, 0);
    const op = opOf(call.op);
    if (send === IN_PLACE) return { args: [into, op], given, taken: into };
    const fresh = mayLeaveOut(call);
    return { args: [send, fresh ? null : into, op], given, taken: fresh ? null : into };
  },

  reduceScatter(call) {
    const counts = call.lists[0];
    const { args, ...rest } = scatteringReduced(call, counts[call.rank]);
    const [send, receive, op] = args;
    return { args: [send, receive, counts.map((count) => count * call.unit), op], ...rest };
  },

  reduceScatterBlock: (call) => scatteringReduced(call, call.count / call.local),

  scan(call) {
    const { send, into, given } = arranged(call, call.count, call.count, 0);
    return { args: [send, into, opOf(call.op)], given, taken: into };
  },

  /** What the first rank has is not said. */
  exscan(call) {
    const plan = OPERATIONS.scan(call);
    return call.rank === 0 ? { ...plan, taken: part(call, plan.taken!, 0, 0) } : plan;
  },
};

/** Elements as a number, and back. */
function scalarPlan(name: string, call: Call): Plan {
  const given = new call.type(1);
  const root = name === 'reduce' ? [call.root] : [];
  return { args: [given, opOf(call.op), ...root], given, taken: null };
}

const bytesOf = ({ buffer, byteOffset, byteLength }: ArrayBufferView) =>
  new Uint8Array(buffer, byteOffset, byteLength);

/** What a call returns, which may be a number. */
function elementsOf(result: unknown, type: Maker): Elements {
  if (result === null || result === undefined) return new type(0);
  if (ArrayBuffer.isView(result)) return result as Elements;
  return (type as unknown as { of(value: unknown): Elements }).of(result);
}

function readCall(step: Step): Call {
  const [, slot, , , , , root, place, , count, ...rest] = step.numbers;
  const comm = commOf(slot);
  const { rank, size: local } = comm;
  const betweenGroups = 'remoteSize' in comm;
  const size = betweenGroups ? (comm.remoteSize as number) : local;
  const each = step.words[0] === 'reduceScatter' ? local : size;
  const lists: number[][] = [];
  for (let at = 0; at < rest.length; at += each) lists.push(rest.slice(at, at + each));
  return {
    ...{ step, rank, size, local, betweenGroups, root, count, lists },
    type: typeOf(step.words[3]),
    unit: unitOf(step.words[4]),
    op: step.words[4],
    atRoot: betweenGroups ? root === ROOT : root === rank,
    besideRoot: !betweenGroups || root >= 0,
    inPlace: place === 1,
    way: step.way,
  };
}

/** A call and what it works on. */
class Prepared {
  readonly #call: Call;
  readonly #plan: Plan;
  readonly #scalar: boolean;

  constructor(call: Call) {
    this.#call = call;
    const [name] = call.step.words;
    this.#scalar = OF_SCALARS.includes(name) && isScalar(call);
    this.#plan = this.#scalar ? scalarPlan(name, call) : OPERATIONS[name](call);
  }

  fill(round: number): void {
    const { step } = this.#call;
    const { given, taken } = this.#plan;
    if (taken !== null) bytesOf(taken).fill(0);
    fillElements(step.words[5], given, step.numbers[8] + round);
  }

  get args(): readonly unknown[] {
    const { args } = this.#plan;
    return this.#scalar ? [(args[0] as Elements)[0], ...args.slice(1)] : args;
  }

  trace(result: unknown, step = this.#call.step): void {
    const bytes = bytesOf(this.#plan.taken ?? elementsOf(result, this.#call.type));
    const [name] = this.#call.step.words;
    step.trace(`${name} ${bytes.length} bytes ${checksum(bytes, bytes.length)}`);
  }
}

const open = new Map<number, { request: Request<unknown>; prepared: Prepared }>();

/** As the library calls it. */
const methodOf = (name: string) => (name === 'alltoallw' ? 'alltoallv' : name);

export const collective: Steps = {
  async coll(step) {
    const [name, slot, how] = step.words;
    const method = methodOf(name);
    const prepared = new Prepared(readCall(step));
    const comm = commOf(Number(slot)) as unknown as Operations & {
      persistent: Record<string, (...args: readonly unknown[]) => Persistent<unknown>>;
    };
    prepared.fill(0);
    if (how === 'now')
      prepared.trace(
        step.blocks
          ? comm[`${method}Sync`](...prepared.args)
          : await comm[method](...prepared.args),
      );
    else if (how === 'again') {
      using repeated = comm.persistent[method](...prepared.args);
      for (let round = 0; round < ROUNDS; round++) {
        prepared.fill(round);
        prepared.trace(step.blocks ? repeated.runSync() : await repeated.run());
      }
    } else {
      const request = comm[method](...prepared.args) as Request<unknown>;
      open.set(Number(how), { request, prepared });
    }
  },

  async finish(step) {
    const { request, prepared } = open.get(step.numbers[0])!;
    open.delete(step.numbers[0]);
    prepared.trace(step.blocks ? request.wait() : await request, step);
  },

  async own({ words, trace }) {
    trace('own');
    beRough();
    for (const word of words) {
      const [operation, algorithm] = word.split('=');
      process.env[`DREG_COLL_${operation}`] = algorithm;
    }
    forgetOverrides();
    // A communicator may keep to what it has chosen.
    if (commOf(0) !== MPI.world) commOf(0).free();
    comms.set(0, await MPI.world.dup());
  },
};
