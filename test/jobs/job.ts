/**
 * A job: what ranks that talk to each other claim, in one file `test/jobs/CHAPTER/OPERATION.ts` that
 * exports it and is found by its place. Jobs with the same ranks and settings share one start: each rank
 * of it runs case after case (rank.ts), and each case is a test (jobs.test.ts; over RDMA in a guest).
 */

/** Unless a job says otherwise: alone, a pair, an odd number that is more than there are cores. */
export const RANKS: readonly number[] = [1, 2, 5];

/** Such jobs in `npm run test:full` besides. */
export const MORE_RANKS: readonly number[] = [3, 4, 6, 7, 8];

/** The most ranks of a job in `npm test`. */
export const QUICK_RANKS_MAX = 5;

/** For what a rank does with its two neighbours alone: a longer ring has nothing new. */
export const RING: readonly number[] = [1, 2, 3];

/** Environment variables of all ranks. */
export type Settings = Readonly<Record<string, string>>;

/** Each way in which large messages can go over shared memory. */
export const SINGLE_COPY: readonly Settings[] = [
  {},
  { DREG_SINGLE_COPY: 'always' },
  { DREG_SINGLE_COPY: 'never' },
];

/** An algorithm of messages for every operation that would go on control lines. */
export const BY_MESSAGES: Settings = {
  DREG_COLL_BARRIER: 'dissemination',
  DREG_COLL_BCAST: 'binomial',
  DREG_COLL_GATHER: 'linear',
  DREG_COLL_SCATTER: 'linear',
  DREG_COLL_ALLGATHER: 'bruck',
  DREG_COLL_ALLTOALL: 'spread',
  DREG_COLL_REDUCE: 'linear',
  DREG_COLL_ALLREDUCE: 'everybody',
  DREG_COLL_REDUCE_SCATTER: 'slices',
  DREG_COLL_SCAN: 'chain',
};

const BY_NODES: Settings = {
  DREG_COLL_BARRIER: 'nodes',
  DREG_COLL_BCAST: 'nodes',
  DREG_COLL_GATHER: 'nodes',
  DREG_COLL_SCATTER: 'nodes',
  DREG_COLL_ALLGATHER: 'nodes',
  DREG_COLL_ALLTOALL: 'nodes',
  DREG_COLL_REDUCE: 'nodes',
  DREG_COLL_ALLREDUCE: 'nodes',
};

/** Ranks on two nodes, by turns. */
export const TWO_NODES: Settings = { DREG_NODE_OF: '0,1,0,1,0' };

/** Ranks on two nodes, those of a node in a row, and not, where sums that depend on the order go another way; and on three. */
export const ACROSS_NODES: readonly Settings[] = [
  { ...BY_NODES, DREG_NODE_OF: '0,1,1,1,1' },
  { ...BY_NODES, ...TWO_NODES },
  { ...BY_NODES, DREG_NODE_OF: '0,1,2,2,0' },
];

/** DREG_RNDV: how large messages go over RDMA. */
export type Rendezvous = 'auto' | 'copy' | 'get' | 'put';

export interface Job {
  /** With how many ranks it runs: {@link RANKS} unless told. */
  ranks?: readonly number[];
  /** Runs over shared memory, the first of them with all its ranks (run.ts): one with nothing set unless told. */
  settings?: readonly Settings[];
  /** A start of its own for each run over RDMA. Unless told it shares those of jobs.guest.ts; []: none. */
  rdma?: readonly (readonly [ranks: number, way: Rendezvous])[];
  /** Its cases take too long on a software device that shares one emulated core with the ranks. */
  heavy?: boolean;
  /** Starts of its own: it changes its process, or measures it. */
  alone?: boolean;
  /** Options of Node, and so starts of its own. */
  nodeOptions?: readonly string[];
  /** By name; every rank runs every one. What fails throws. */
  cases: Readonly<Record<string, () => void | Promise<void>>>;
}

export function defineJob(job: Job): Job {
  return job;
}
