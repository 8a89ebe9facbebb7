/**
 * Rank 1 is lost: it dies in the middle of the operation argv[2], or leaves the job (argv[2] is left out) while the others are in one
 * operation after the other.
 */
import { type Communicator, MPI, MpiError, SUM } from '../../../../runtime/index.ts';
import { assert } from '../../lib.ts';

const { world } = MPI;
const { rank, size } = world;
const [, , operation] = process.argv;

const mine = new Float64Array(100_000);
const short = new Float64Array(1);
const all = new Float64Array(size * mine.length);
const counts = Array.from({ length: size }, () => mine.length);
const blocks = counts.map(() => new Float64Array(10));

const CALLS: Record<string, (comm: Communicator) => PromiseLike<unknown>> = {
  barrier: (comm) => comm.barrier(),
  bcast: (comm) => comm.bcast(mine, 0),
  gather: (comm) => comm.gather(mine, all, 0),
  gatherv: (comm) => comm.gatherv(mine, { data: all, counts }, 0),
  scatter: (comm) => comm.scatter(all, mine, 0),
  scatterv: (comm) => comm.scatterv({ data: all, counts }, mine, 0),
  allgather: (comm) => comm.allgather(mine, all),
  allgatherv: (comm) => comm.allgatherv(mine),
  alltoall: (comm) => comm.alltoall(all),
  alltoallv: (comm) => comm.alltoallv(blocks, [...blocks.map((block) => block.slice())]),
  reduce: (comm) => comm.reduce(mine, null, SUM),
  allreduce: (comm) => comm.allreduce(mine, null, SUM),
  reduceScatter: (comm) => comm.reduceScatterBlock(all, null, SUM),
  scan: (comm) => comm.scan(mine, null, SUM),
  exscan: (comm) => comm.exscan(mine, null, SUM),
  'short bcast': (comm) => comm.bcast(short, 0),
  'short gather': (comm) => comm.gather(short, null, 0),
  'short allgather': (comm) => comm.allgather(short),
  'short alltoall': (comm) => comm.alltoall(new Float64Array(size)),
  'short allreduce': (comm) => comm.allreduce(1, SUM),
  'short scan': (comm) => comm.scan(1, SUM),
  objects: (comm) => comm.objects().allgather(mine),
};

async function die(): Promise<void> {
  const request = CALLS[operation](world);
  process.stdout.write('under way\n');
  if (rank === 1) process.kill(process.pid, 'SIGKILL');
  await request;
  await world.barrier();
}

/** Nobody can tell a rank whose part has ended: a next call does. */
async function failing(comm: Communicator, call: (comm: Communicator) => PromiseLike<unknown>) {
  try {
    await call(comm);
    for (;;) await comm.allgather(mine);
  } catch (error) {
    if (!(error instanceof MpiError)) throw error;
    return error;
  }
}

async function stay(comms: ReadonlyMap<string, Communicator>): Promise<void> {
  for (const [name, comm] of comms) {
    const error = await failing(comm, CALLS[name]);
    assert.equal(error.code, 'ERR_PEER_FAILED', `${name}: ${error.message}`);
  }
  process.stdout.write(`rank ${rank} ok\n`);
  // Whoever leaves while long messages of others wait for it ends the job.
  const others = Array.from({ length: size }, (_, one) => one).filter((one) => one !== 1);
  const signals = others.map((one) => world.irecv(new Uint8Array(1), one));
  for (const one of others) world.isend(new Uint8Array(1), one);
  await Promise.all(signals);
}

if (operation !== undefined) await die();
else {
  const comms = new Map<string, Communicator>();
  for (const name of Object.keys(CALLS)) comms.set(name, await world.dup());
  if (rank === 1) MPI.finalize();
  else await stay(comms);
}
