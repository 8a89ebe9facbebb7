/** Starting and ending (MPI 4.1, 11.2 the world model; 9.2 memory; 9.3 abort). */
import { isMainThread } from 'node:worker_threads';
import { addon } from '../../native/addon.ts';
import { type Rdma, reachOthers } from '../../transports/select.ts';
import { SelfTransport } from '../../transports/self/transport.ts';
import { freeMemory, type Heap, noMemory, type SharedMemory } from '../../transports/shm/heap.ts';
import { HEAP_BYTES } from '../../transports/shm/layout.ts';
import { type Segment, soloSegment } from '../../transports/shm/segment.ts';
import { ShmTransport } from '../../transports/shm/transport.ts';
import { inWords } from '../base/bytes.ts';
import { MpiError } from '../base/error.ts';
import type { Job } from '../job/job.ts';
import { joinJob } from '../job/join.ts';
import { checkOnlyCopy, noteJoined } from '../job/only-copy.ts';
import { formatTraffic, trafficKey } from '../job/traffic-report.ts';
import type { Stats } from '../memory/counters.ts';
import { PUBLISH_AFTER_MS } from '../messaging/deadlock/standstill.ts';
import { Engine } from '../messaging/engine.ts';
import {
  type Preference,
  RENDEZVOUS_PREFERENCES,
  type RendezvousPreference,
} from '../messaging/rendezvous/cost-model.ts';
import type { MessageCounts } from '../messaging/rendezvous/transfers.ts';
import { countTraffic, type Traffic } from '../messaging/traffic.ts';
import { checkCount } from './arguments.ts';
import type { Communicator } from './communicator.ts';
import type { Elements } from './datatype/data.ts';
import { bytesOfElements, type ElementsType } from './datatype/elements-type.ts';
import { tellUnderWay, watchRequests } from './dropped-requests.ts';
import { selfOf, worldOf } from './first-communicators.ts';
import { type Inspection, inspect } from './inspect.ts';
import { type Heeding, heedLosses } from './lost-processes.ts';
import { beginSession, type Session } from './session.ts';
import { endPorts } from './worker/open-ports.ts';

/** Polls that find nothing before a blocked rank sleeps; DREG_SPIN_POLLS changes it. */
export const SPIN_POLLS = 20_000;
/** A blocked rank polls no longer than this before it sleeps, unless DREG_SPIN_POLLS is set; milliseconds. */
export const SPIN_MS = 0.5;

interface World {
  job: Job;
  engine: Engine;
  world: Communicator;
  self: Communicator;
  /** The node's shared memory. */
  node: ShmTransport | null;
  rdma: Rdma | null;
  /** Of what the launcher says of lost processes. */
  heeding: Heeding | null;
  /** What was sent, where the launcher asks. */
  traffic: Traffic | null;
}

/** What a rank has done so far. */
export interface Statistics {
  /** Large messages, by transport and by scheme. */
  messages: MessageCounts;
  /** The pinned-memory manager's counters; null where no transport registers memory. */
  memory: Stats | null;
}

type Phase = 'new' | 'running' | 'finalized';

let phase: Phase = 'new';
let current: World | null = null;
/** Shared memory of a world of one rank, made when it is first asked for. */
let soloTransport: ShmTransport | null = null;

/**
 * Allocates memory that the ranks of a node share (MPI_Alloc_mem; MPI 4.1, 9.2). A large message from
 * such memory takes one plain copy. A large message between two such buffers takes half of one. The
 * memory is freed when it is collected, or before that by `MPI.free(buffer)` or `using buffer =
 * MPI.allocate(bytes)`.
 * @param bytes its length
 * @param type of an array over the whole of it: `MPI.allocate(Float64Array, 1000)`
 * @param length elements of the array
 * @throws MpiError ERR_COUNT; ERR_ARG for a type that is none; ERR_NO_MEM where the machine, the cgroup or the heap has no room;
 *   ERR_UNSUPPORTED where this Node has no buffer so long
 */
function allocate(bytes: number): SharedMemory;
function allocate<A extends Elements>(type: ElementsType<A>, length: number): A;
function allocate(what: number | ElementsType<Elements>, length?: number): SharedMemory | Elements {
  const { rdma } = running();
  if (typeof what === 'function') {
    const bytes = bytesOfElements(what, length, HEAP_BYTES);
    return new what(bytes === 0 ? noMemory() : allocate(bytes));
  }
  checkCount(what, HEAP_BYTES);
  if (what === 0) return noMemory();
  // Registered once, for as long as it lives.
  return heap().allocate(what, rdma === null ? undefined : (buffer) => rdma.keep(buffer));
}

/** A rank's connection to its job: the world model (MPI 4.1, 11.2). */
export const MPI = {
  /**
   * The communicator of all ranks of the job (MPI_COMM_WORLD). Its first use joins the job, as {@link
   * MPI.init} does, and throws what that throws.
   */
  get world(): Communicator {
    return running().world;
  },

  /** The communicator of this rank alone (MPI_COMM_SELF). */
  get self(): Communicator {
    return running().self;
  },

  /** Whether this process has joined its job (MPI_Initialized; MPI 4.1, 11.2.3). */
  get initialized(): boolean {
    return phase !== 'new';
  },

  /** Whether this process has left its job (MPI_Finalized; MPI 4.1, 11.2.3). */
  get finalized(): boolean {
    return phase === 'finalized';
  },

  /**
   * Joins the job (MPI_Init; MPI 4.1, 11.2.1). A program calls it only to choose the moment: the first use
   * of MPI does the same.
   * @throws MpiError ERR_INITIALIZED the second time; ERR_THREAD in a worker thread; ERR_LAUNCH,
   *   ERR_NO_MEM, ERR_ADDON, ERR_UNSUPPORTED, ERR_SYSTEM; ERR_ARG for the value of an environment variable
   */
  init(): void {
    if (phase === 'finalized') throw finalizedError();
    if (phase === 'running')
      throw new MpiError(
        'ERR_INITIALIZED',
        'MPI is initialized already, by MPI.init() or by its first use: leave this call out',
      );
    start();
  },

  /**
   * Leaves the job (MPI_Finalize; MPI 4.1, 11.2.2), once everything that was sent has been received. A
   * process that ends well does it by itself.
   * @throws MpiError with which a request failed of which the program has not heard; ERR_PENDING where a
   *   message will never be received; ERR_FINALIZED the second time
   */
  finalize(): void {
    if (phase === 'finalized') throw finalizedError();
    if (phase === 'new') start();
    stop(running());
  },

  allocate,

  /**
   * Allocates such memory as a SharedArrayBuffer (MPI 4.1, 9.2), so that the workers of this process have it, too: post it to them. Operations treat
   * it as memory of {@link MPI.allocate}. It is freed when no thread has it any more. `wait`, `waitAsync` and `notify` of
   * [`dreg-mpi/shared`](shared.md) reach those who wait for its elements.
   * @param bytes its length
   * @throws MpiError as {@link MPI.allocate}; ERR_UNSUPPORTED where Node cannot: Node 22.23, 24.21, 26.12 and newer ones can
   */
  allocateShared(bytes: number): SharedArrayBuffer {
    const { rdma } = running();
    checkCount(bytes, HEAP_BYTES);
    if (bytes === 0) return new SharedArrayBuffer(0);
    return heap().allocateShared(bytes, rdma === null ? undefined : (buffer) => rdma.keep(buffer));
  },

  /**
   * Frees memory of {@link MPI.allocate} now (MPI_Free_mem; MPI 4.1, 9.2), even after MPI.finalize(). The
   * buffer is detached. A message that is under way from or to it fails.
   * @throws MpiError ERR_BUFFER where the buffer is not of MPI.allocate(), or was freed or transferred
   *   before
   */
  free(buffer: ArrayBuffer): void {
    freeMemory(buffer);
    for (const node of [current?.node, soloTransport]) node?.heap.takeBack();
  },

  /**
   * Says how large messages went, and what the registration cache did.
   * @throws MpiError ERR_FINALIZED; what {@link MPI.init} throws
   */
  statistics(): Statistics {
    const { engine, rdma } = running();
    return { messages: structuredClone(engine.messages), memory: rdma?.stats() ?? null };
  },

  /**
   * What the ranks of this node wait for; also what SIGUSR2 to dregrun prints. A rank tells it once it has
   * slept for {@link PUBLISH_AFTER_MS}; of one that runs, or has just begun to wait, `operation` is null.
   * @throws MpiError ERR_FINALIZED; what {@link MPI.init} throws
   */
  async inspect(): Promise<readonly Inspection[]> {
    const { engine, node } = running();
    return inspect(engine.rank, node?.board ?? null);
  },

  /**
   * Ends the whole job at once (MPI_Abort; MPI 4.1, 9.3).
   * @param code an integer; the launcher's status is its lowest 8 bits, or 1 where these are 0
   * @throws MpiError ERR_ARG where the code is no integer
   */
  abort(code = 1): never {
    const { job } = running();
    if (!Number.isInteger(code))
      throw new MpiError('ERR_ARG', `MPI.abort: the code ${inWords(code)} is no integer`);
    return job.abort(code, `MPI.abort(${code}) on rank ${job.rank}`);
  },
};

function running(): World {
  if (phase === 'new') start();
  if (current === null) throw finalizedError();
  return current;
}

function finalizedError(): MpiError {
  return new MpiError(
    'ERR_FINALIZED',
    'MPI was used after MPI.finalize(): a process can start MPI only once, so finalize last',
  );
}

function start(): void {
  if (!isMainThread)
    throw new MpiError(
      'ERR_THREAD',
      'MPI was used in a worker thread: it lives in the main thread, so give the worker a port to it (portFor and RankPort of dreg-mpi/worker)',
    );
  // Before the job knows of this rank: where it is missing, the error is this one, from here.
  addon();
  checkOnlyCopy();
  const job = joinJob();
  current = connect(job);
  phase = 'running';
  noteJoined();
  process.once('exit', atExit);
}

function connect(job: Job): World {
  watchRequests();
  const { transport, node, segment, rdma } = reachOthers(job);
  // Sends that nobody counts pass no counter.
  const counts = process.env.DREG_SUMMARY === '1' && job.launcher === 'dregrun';
  const traffic = !counts || transport === null ? null : countTraffic(transport);
  const engine = new Engine({
    rank: job.rank,
    size: job.size,
    self: new SelfTransport(job.rank),
    node: transport,
    board: node?.board ?? null,
    deadlockMs: deadlockMs(),
    ...spinning(segment),
    nodes: segment?.nodes ?? [],
    singleCopy: singleCopy(),
    rendezvous: rendezvous(),
  });
  const session: Session = {
    get ended() {
      return phase === 'finalized';
    },
    checkAlive,
    abort: (code, message) => job.abort(code, message),
    near: segment?.ranks ?? [job.rank],
  };
  beginSession(engine, session);
  const world = worldOf(engine, session);
  const self = selfOf(engine, session);
  const { losses } = job;
  const heeding = losses === undefined ? null : heedLosses(losses, engine);
  return { job, engine, world, self, node, rdma, heeding, traffic };
}

function checkAlive(): void {
  if (phase === 'finalized') throw finalizedError();
}

/** Where this rank allocates. */
function heap(): Heap {
  return (running().node ?? soloNode()).heap;
}

function soloNode(): ShmTransport {
  soloTransport ??= new ShmTransport(soloSegment(running().job.jobId, 0));
  return soloTransport;
}

/**
 * 0: nobody looks for deadlocks.
 * @environment DREG_DEADLOCK_MS | milliseconds (default 1000), 0 | how long a rank sleeps before it looks
 *   whether it and others wait for each other for ever; 0: never ([deadlocks](../internals/deadlock.md))
 */
function deadlockMs(): number {
  const text = process.env.DREG_DEADLOCK_MS || String(PUBLISH_AFTER_MS);
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new MpiError(
    'ERR_ARG',
    `DREG_DEADLOCK_MS is "${text}"; it must be a number of milliseconds, or 0 for never`,
  );
}

/**
 * @environment DREG_SINGLE_COPY | `auto` (default), `always`, `never` | large messages of private memory on
 *   one machine: by the fastest scheme as measured, always fetched from the sender's memory, or always
 *   copied through the ring
 */
function singleCopy(): Preference {
  const preference = process.env.DREG_SINGLE_COPY || 'auto';
  if (preference === 'auto' || preference === 'always' || preference === 'never') return preference;
  throw new MpiError(
    'ERR_ARG',
    `DREG_SINGLE_COPY is "${preference}"; it may be auto, always, never`,
  );
}

/**
 * @environment DREG_RNDV | `auto` (default), `get`, `put`, `copy` | the scheme of large messages: the
 *   fastest as measured, read by the receiver, written by the sender, or sent in packets. A transport
 *   without that scheme does as by `auto`. The receiver decides, so set the same value for all ranks
 */
function rendezvous(): RendezvousPreference {
  const name = process.env.DREG_RNDV || 'auto';
  const preference = RENDEZVOUS_PREFERENCES.find((one) => one === name);
  if (preference !== undefined) return preference;
  throw new MpiError(
    'ERR_ARG',
    `DREG_RNDV is "${name}"; it may be ${RENDEZVOUS_PREFERENCES.join(', ')}`,
  );
}

/**
 * With more ranks than cores a rank that polls keeps the rank that it waits for from running.
 * @environment DREG_SPIN_POLLS | a number | polls in vain before a waiting rank sleeps, in place of
 *   `SPIN_POLLS`, unless there are more ranks than CPUs
 */
function spinning(segment: Segment | null): { spinPolls: number; spinMs: number } {
  const crowded = segment?.isCrowded === true;
  const polls = process.env.DREG_SPIN_POLLS;
  if (polls === undefined || polls === '')
    return { spinPolls: crowded ? 0 : SPIN_POLLS, spinMs: SPIN_MS };
  if (!/^\d{1,9}$/.test(polls))
    throw new MpiError('ERR_ARG', `DREG_SPIN_POLLS is "${polls}"; it must be a number of polls`);
  return { spinPolls: crowded ? 0 : Number(polls), spinMs: Number.POSITIVE_INFINITY };
}

function stop({ engine, job, world, self, node, rdma, heeding, traffic }: World): void {
  // First of all, while MPI can be used: libraries have kept there what is to end with it (MPI 4.1, 11.2.4).
  self.attributes.clear();
  endPorts();
  const pending = engine.drain();
  tellUnderWay();
  const [unseen] = engine.completion.unseen;
  phase = 'finalized';
  current = null;
  engine.close();
  node?.close();
  rdma?.close();
  soloTransport?.close();
  heeding?.close();
  process.off('exit', atExit);
  if (traffic !== null) job.put(trafficKey(job.rank), formatTraffic(traffic));
  job.finalize();
  if (unseen !== undefined) throw unseen;
  if (pending === 0) return;
  throw new MpiError(
    'ERR_PENDING',
    `MPI.finalize() on rank ${world.rank} gave up ${pending} operation(s) that no rank receives any more: does each send have its receive?`,
    { rank: world.rank },
  );
}

/** A program that ends well leaves the job. The launcher cleans up after one that fails. */
function atExit(code: number): void {
  if (code !== 0 || current === null) return;
  try {
    stop(current);
  } catch (error) {
    process.stderr.write(`dreg-mpi: ${(error as Error).message}\n`);
    process.exitCode = 1;
  }
}
