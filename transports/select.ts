/**
 * Transport selection: which transport reaches which rank, by DREG_TRANSPORT or by what the machine has.
 */
import { existsSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { MpiError } from '../runtime/base/error.ts';
import type { Job } from '../runtime/job/job.ts';
import { CompositeTransport, NoTransport } from './composite.ts';
import type * as OfiModule from './ofi/open.ts';
import { joinSegment } from './shm/join.ts';
import type { Segment } from './shm/segment.ts';
import { ShmTransport } from './shm/transport.ts';
import type { Transport } from './transport.ts';
import type * as RdmaModule from './verbs/open.ts';

const TRANSPORTS = ['auto', 'shm', 'self', 'verbs', 'ofi'] as const;
type TransportName = (typeof TRANSPORTS)[number];

/** A network between nodes, over which memory is registered. */
export interface Rdma {
  readonly transport: Transport;
  stats: ReturnType<typeof RdmaModule.openRdma>['stats'];
  keep: ReturnType<typeof RdmaModule.openRdma>['keep'];
  close(): void;
}

export interface TransportSelection {
  /** The transport to all ranks that can be reached; null in a world of one. */
  transport: Transport | null;
  /** The node's shared memory, in which MPI.allocate() takes its own. */
  node: ShmTransport | null;
  segment: Segment | null;
  rdma: Rdma | null;
}

/**
 * DREG_TRANSPORT.
 * @throws MpiError ERR_ARG
 * @environment DREG_TRANSPORT | `auto` (default), `shm`, `verbs`, `ofi`, `self` | the transport between ranks.
 *   `auto`: shared memory on a node; between nodes RDMA where both have a device, else libfabric. The others: this one for all ranks. `dregrun
 *   --transport` sets it
 */
export function transportName(): TransportName {
  const name = process.env.DREG_TRANSPORT || 'auto';
  const known = TRANSPORTS.find((one) => one === name);
  if (known !== undefined) return known;
  throw new MpiError(
    'ERR_ARG',
    `DREG_TRANSPORT (dregrun --transport) is "${name}"; it may be ${TRANSPORTS.join(', ')}`,
  );
}

/** Meets the other ranks; collective. @throws MpiError ERR_LAUNCH, ERR_NO_MEM, ERR_UNSUPPORTED, … */
export function reachOthers(job: Job): TransportSelection {
  const name = transportName();
  if (job.size === 1 || name === 'self')
    return { transport: null, node: null, segment: null, rdma: null };
  const { segment, rdma: having } = joinSegment(job, hasDevice());
  const node = new ShmTransport(segment);
  // Every rank gets the same answer, because connections over RDMA are set up by all ranks.
  const all = segment.ranks.length === job.size;
  if (name === 'shm' || (name === 'auto' && all))
    return { transport: node, node, segment, rdma: null };
  if (name === 'verbs' || name === 'ofi') {
    const rdma = name === 'ofi' ? openFabric(job) : openAll(job);
    return { transport: rdma.transport, node, segment, rdma };
  }
  const { far, rdma } = reachFar(job, having);
  const near = new Set(segment.ranks);
  const alone = near.size === 1 && rdma !== null;
  const transport = alone ? far : new CompositeTransport(node, far, (rank) => near.has(rank));
  return { transport, node, segment, rdma };
}

/**
 * RDMA to ranks that have it as this one does, libfabric to all others; or the error that prevents it. Each way needs all
 * ranks of the job to meet, in one order.
 * @param having ranks of the job that have RDMA devices
 */
function reachFar(job: Job, having: number): { far: Transport; rdma: Rdma | null } {
  const fabric = having < job.size ? attempt(job, openFabric) : null;
  const rdma = having > 0 ? attempt(job, openAll) : null;
  if (fabric === null || rdma === null) return (rdma ?? fabric) as Reached;
  if (rdma.rdma === null) return fabric;
  const far = new CompositeTransport(rdma.far, fabric.far, (rank) =>
    loadRdma().hasAddress(job, rank),
  );
  if (fabric.rdma === null) return { far, rdma: rdma.rdma };
  return { far, rdma: both(far, rdma.rdma, fabric.rdma) };
}

interface Reached {
  far: Transport;
  rdma: Rdma | null;
}

function attempt(job: Job, open: (job: Job) => Rdma): Reached {
  try {
    const rdma = open(job);
    return { far: rdma.transport, rdma };
  } catch (error) {
    if (!(error instanceof MpiError) || error.code !== 'ERR_UNSUPPORTED') throw error;
    // The other ranks meet, and find no address of this rank.
    job.fence();
    const refuse = (peer: number) =>
      new MpiError(
        'ERR_UNREACHABLE',
        `rank ${peer} runs on another node, which rank ${job.rank} reaches by RDMA or libfabric only: ${error.message}`,
        { rank: job.rank, peer, cause: error },
      );
    return { far: new NoTransport(refuse), rdma: null };
  }
}

/** Both networks register memory; that of RDMA is what statistics tell of. */
function both(transport: Transport, one: Rdma, other: Rdma): Rdma {
  return {
    transport,
    stats: () => one.stats(),
    keep(buffer) {
      const kept = [one.keep(buffer), other.keep(buffer)];
      if (kept.every((free) => free === null)) return null;
      return () => {
        for (const free of kept) free?.();
      };
    },
    close() {
      one.close();
      other.close();
    },
  };
}

function openAll(job: Job): Rdma {
  if (!hasDevice())
    throw new MpiError(
      'ERR_UNSUPPORTED',
      'this machine has no RDMA device: load its driver, then "rdma link" shows it (docs/operating/rdma.md)',
    );
  const { openDevice, openRdma } = loadRdma();
  return openRdma(job, openDevice());
}

const hasDevice = () => existsSync(CLASS) && readdirSync(CLASS).length > 0;

function openFabric(job: Job): Rdma {
  const { openDevice, openOfi } = load<typeof OfiModule>('ofi');
  return openOfi(job, openDevice());
}

/** Where the kernel shows RDMA devices. */
const CLASS = '/sys/class/infiniband';

/**
 * Loads the RDMA part when a job needs it. MPI.init() cannot wait for an import, and most jobs do without.
 * @throws MpiError ERR_UNSUPPORTED where this Node cannot load it so
 */
export const loadRdma = () => load<typeof RdmaModule>('verbs');

function load<T>(name: 'verbs' | 'ofi'): T {
  const file = `./${name}/open.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`;
  try {
    return createRequire(import.meta.url)(file) as T;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ERR_REQUIRE_ESM') throw cause;
    throw new MpiError(
      'ERR_UNSUPPORTED',
      `${name} needs Node 20.19, 22.12 or newer, and this is ${process.versions.node}`,
      { cause },
    );
  }
}
