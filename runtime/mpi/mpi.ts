/** Starting and ending (MPI 4.1, 11.2 the world model; 9.2 memory; 9.3 abort). */
import { isMainThread } from 'node:worker_threads';
import { addon } from '../../native/addon.ts';
import { reachOthers } from '../../transports/select.ts';
import { SelfTransport } from '../../transports/self/transport.ts';
import { freeMemory, noMemory, type SharedMemory } from '../../transports/shm/heap.ts';
import { HEAP_BYTES } from '../../transports/shm/layout.ts';
import { type Segment, soloSegment } from '../../transports/shm/segment.ts';
import { ShmTransport } from '../../transports/shm/transport.ts';
import type { Rdma } from '../../transports/verbs/open.ts';
import { inWords } from '../base/bytes.ts';
import { MpiError } from '../base/error.ts';
import { type Job, joinJob } from '../job/job.ts';
import { checkOnlyCopy, noteJoined } from '../job/only-copy.ts';
import type { Stats } from '../memory/counters.ts';
import { Engine } from '../messaging/engine.ts';
import {
  type Preference,
  RENDEZVOUS_PREFERENCES,
  type RendezvousPreference,
} from '../messaging/rendezvous/cost-model.ts';
import type { MessageCounts } from '../messaging/rendezvous/transfers.ts';
import { checkCount } from './arguments.ts';
import { type Communicator, selfOf, worldOf } from './communicator.ts';
import { beginSession, type Session } from './session.ts';

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
}

/** What has been going on in a rank; for examples, tests and the curious. */
export interface Statistics {
  /** Large messages by transport, and by the way that they went. */
  messages: MessageCounts;
  /** The pinned-memory manager's counters; null where no transport registers memory. */
  memory: Stats | null;
}

type Phase = 'new' | 'running' | 'finalized';

let phase: Phase = 'new';
let current: World | null = null;
/** Shared memory of a world of one rank, made when it is first asked for. */
let soloTransport: ShmTransport | null = null;

/** A rank's connection to its job; `MPI` is the only one. */
export const MPI = {
  /** All ranks of the job. The first use initializes MPI. */
  get world(): Communicator {
    return running().world;
  },

  /** This rank alone. */
  get self(): Communicator {
    return running().self;
  },

  get initialized(): boolean {
    return phase !== 'new';
  },

  get finalized(): boolean {
    return phase === 'finalized';
  },

  /**
   * Joins the job (MPI_Init). Needed only to choose when: the first use does the same.
   * @throws MpiError ERR_INITIALIZED, ERR_THREAD, ERR_LAUNCH, ERR_NO_MEM, ERR_ADDON
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
   * Leaves the job (MPI_Finalize), once everything sent was received. At exit it happens by itself.
   * @throws MpiError ERR_PENDING where a message will never be received; ERR_FINALIZED the second time
   */
  finalize(): void {
    if (phase === 'finalized') throw finalizedError();
    if (phase === 'new') start();
    stop(running());
  },

  /**
   * Memory that the ranks of a node share (MPI_Alloc_mem): a large message from it takes one plain
   * copy, a large message between two such buffers half of one. It is freed when it is collected, or
   * before that by `MPI.free(buffer)` or `using buffer = MPI.allocate(bytes)`.
   * @param bytes its length
   * @throws MpiError ERR_COUNT, ERR_NO_MEM, ERR_UNSUPPORTED
   */
  allocate(bytes: number): SharedMemory {
    const { node, rdma } = running();
    checkCount(bytes, HEAP_BYTES);
    if (bytes === 0) return noMemory();
    // Registered once, for as long as it lives.
    return (node ?? soloNode()).heap.allocate(
      bytes,
      rdma === null ? undefined : (buffer) => rdma.keep(buffer),
    );
  },

  /**
   * Frees memory of `MPI.allocate` now (MPI_Free_mem), after MPI.finalize() as well. The buffer is
   * detached; whoever sends from it or receives into it at this moment fails.
   * @throws MpiError ERR_BUFFER where it is not of MPI.allocate(), or was freed or transferred before
   */
  free(buffer: ArrayBuffer): void {
    freeMemory(buffer);
    for (const node of [current?.node, soloTransport]) node?.heap.takeBack();
  },

  /** How large messages went, and what registering memory for them took. */
  statistics(): Statistics {
    const { engine, rdma } = running();
    return { messages: structuredClone(engine.messages), memory: rdma?.stats() ?? null };
  },

  /** Ends the whole job at once (MPI_Abort); the launcher exits with `code`. */
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
      'MPI was used in a worker thread: it lives in the main thread, so pass the data there (a SharedArrayBuffer needs no copy)',
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
  const { transport, node, segment, rdma } = reachOthers(job);
  const engine = new Engine({
    rank: job.rank,
    size: job.size,
    self: new SelfTransport(job.rank),
    node: transport,
    ...spinning(segment),
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
  return { job, engine, world, self, node, rdma };
}

function checkAlive(): void {
  if (phase === 'finalized') throw finalizedError();
}

function soloNode(): ShmTransport {
  soloTransport ??= new ShmTransport(soloSegment(running().job.jobId, 0));
  return soloTransport;
}

function singleCopy(): Preference {
  const preference = process.env.DREG_SINGLE_COPY || 'auto';
  if (preference === 'auto' || preference === 'always' || preference === 'never') return preference;
  throw new MpiError(
    'ERR_ARG',
    `DREG_SINGLE_COPY is "${preference}"; it may be auto, always, never`,
  );
}

function rendezvous(): RendezvousPreference {
  const name = process.env.DREG_RNDV || 'auto';
  const preference = RENDEZVOUS_PREFERENCES.find((one) => one === name);
  if (preference !== undefined) return preference;
  throw new MpiError(
    'ERR_ARG',
    `DREG_RNDV is "${name}"; it may be ${RENDEZVOUS_PREFERENCES.join(', ')}`,
  );
}

/** With more ranks than cores whoever polls keeps the one that it waits for from running. */
function spinning(segment: Segment | null): { spinPolls: number; spinMs: number } {
  const crowded = segment !== null && segment.ranks.length > segment.cpus;
  const polls = process.env.DREG_SPIN_POLLS;
  if (polls === undefined || polls === '')
    return { spinPolls: crowded ? 0 : SPIN_POLLS, spinMs: SPIN_MS };
  if (!/^\d{1,9}$/.test(polls))
    throw new MpiError('ERR_ARG', `DREG_SPIN_POLLS is "${polls}"; it must be a number of polls`);
  return { spinPolls: crowded ? 0 : Number(polls), spinMs: Number.POSITIVE_INFINITY };
}

function stop({ engine, job, world, self, node, rdma }: World): void {
  // First of all, while MPI can be used: libraries have kept there what is to end with it (MPI 4.1, 11.2.4).
  self.attributes.clear();
  const pending = engine.drain();
  phase = 'finalized';
  current = null;
  engine.close();
  node?.close();
  rdma?.close();
  soloTransport?.close();
  process.off('exit', atExit);
  job.finalize();
  if (pending === 0) return;
  throw new MpiError(
    'ERR_PENDING',
    `MPI.finalize() on rank ${world.rank} gave up ${pending} operation(s) that no rank receives any more: does each send have its receive?`,
    { rank: world.rank },
  );
}

/** A program that ends well has left the job; one that fails is for the launcher to clean up after. */
function atExit(code: number): void {
  if (code !== 0 || current === null) return;
  try {
    stop(current);
  } catch (error) {
    process.stderr.write(`dreg-mpi: ${(error as Error).message}\n`);
    process.exitCode = 1;
  }
}
