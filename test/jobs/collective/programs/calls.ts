/** Every collective operation, in both habits, with arrays that no single packet holds, and with short ones. */
import {
  type CartCommunicator,
  type Communicator,
  MPI,
  Op,
  type Persistent,
  type Request,
  SUM,
} from '../../../../runtime/index.ts';

const COUNT = 100_000;

interface Call {
  start(): Request<unknown>;
  block(): unknown;
}

const array = () => new Float64Array(COUNT);
const blocksOf = ({ size }: Communicator) => ({
  data: new Float64Array(size * COUNT),
  counts: new Array(size).fill(COUNT),
});

/** Of one operation alone: what its ranks need it to be. */
export async function communicatorFor(name: string): Promise<Communicator> {
  const { world } = MPI;
  if (!name.startsWith('neighbor')) return world.dup();
  return (await world.cart([world.size], { periodic: true })) as Communicator;
}

const persistent = (operation: Persistent<unknown>): Call => ({
  start: () => operation.start(),
  block: () => operation.runSync(),
});

/** By name; the root is the last rank in what goes out from it, and the first one in what comes to it. */
export const CALLS: Readonly<Record<string, (comm: Communicator) => Call>> = {
  barrier: (comm) => ({ start: () => comm.barrier(), block: () => comm.barrierSync() }),
  bcast(comm) {
    const [data, root] = [array(), comm.size - 1];
    return { start: () => comm.bcast(data, root), block: () => comm.bcastSync(data, root) };
  },
  gather(comm) {
    const data = array();
    return { start: () => comm.gather(data), block: () => comm.gatherSync(data) };
  },
  gatherv(comm) {
    const [data, into] = [array(), blocksOf(comm)];
    return { start: () => comm.gatherv(data, into), block: () => comm.gathervSync(data, into) };
  },
  scatter(comm) {
    const [all, data, root] = [blocksOf(comm).data, array(), comm.size - 1];
    return {
      start: () => comm.scatter(all, data, root),
      block: () => comm.scatterSync(all, data, root),
    };
  },
  scatterv(comm) {
    const [all, data, root] = [blocksOf(comm), array(), comm.size - 1];
    return {
      start: () => comm.scatterv(all, data, root),
      block: () => comm.scattervSync(all, data, root),
    };
  },
  allgather(comm) {
    const data = array();
    return { start: () => comm.allgather(data), block: () => comm.allgatherSync(data) };
  },
  allgatherv(comm) {
    const data = array();
    return { start: () => comm.allgatherv(data), block: () => comm.allgathervSync(data) };
  },
  alltoall(comm) {
    const { data } = blocksOf(comm);
    return { start: () => comm.alltoall(data), block: () => comm.alltoallSync(data) };
  },
  alltoallv(comm) {
    const [from, into] = [blocksOf(comm), blocksOf(comm)];
    return { start: () => comm.alltoallv(from, into), block: () => comm.alltoallvSync(from, into) };
  },
  reduce(comm) {
    const data = array();
    return {
      start: () => comm.reduce(data, null, SUM),
      block: () => comm.reduceSync(data, null, SUM),
    };
  },
  allreduce(comm) {
    const data = array();
    return { start: () => comm.allreduce(data, SUM), block: () => comm.allreduceSync(data, SUM) };
  },
  'allreduce by a function': (comm) => {
    const [data, op] = [array(), Op.of<Float64Array>(() => {}, { name: 'nothing' })];
    return { start: () => comm.allreduce(data, op), block: () => comm.allreduceSync(data, op) };
  },
  'allreduce, persistent': (comm) => persistent(comm.persistent.allreduce(array(), SUM)),
  'bcast, persistent': (comm) => persistent(comm.persistent.bcast(array(), comm.size - 1)),
  reduceScatter(comm) {
    const { data, counts } = blocksOf(comm);
    return {
      start: () => comm.reduceScatter(data, null, counts, SUM),
      block: () => comm.reduceScatterSync(data, null, counts, SUM),
    };
  },
  reduceScatterBlock(comm) {
    const { data } = blocksOf(comm);
    return {
      start: () => comm.reduceScatterBlock(data, null, SUM),
      block: () => comm.reduceScatterBlockSync(data, null, SUM),
    };
  },
  scan(comm) {
    const data = array();
    return { start: () => comm.scan(data, null, SUM), block: () => comm.scanSync(data, null, SUM) };
  },
  exscan(comm) {
    const data = array();
    return {
      start: () => comm.exscan(data, null, SUM),
      block: () => comm.exscanSync(data, null, SUM),
    };
  },
  'short bcast': (comm) => {
    const [data, root] = [new Float64Array(1), comm.size - 1];
    return { start: () => comm.bcast(data, root), block: () => comm.bcastSync(data, root) };
  },
  'short gather': (comm) => {
    const data = new Float64Array(1);
    return { start: () => comm.gather(data), block: () => comm.gatherSync(data) };
  },
  'short allgather': (comm) => {
    const data = new Float64Array(1);
    return { start: () => comm.allgather(data), block: () => comm.allgatherSync(data) };
  },
  'short alltoall': (comm) => {
    const data = new Float64Array(comm.size);
    return { start: () => comm.alltoall(data), block: () => comm.alltoallSync(data) };
  },
  'short allreduce': (comm) => ({
    start: () => comm.allreduce(1, SUM),
    block: () => comm.allreduceSync(1, SUM),
  }),
  'short scan': (comm) => ({ start: () => comm.scan(1, SUM), block: () => comm.scanSync(1, SUM) }),
  'allgather of objects': (comm) => {
    const [objects, data] = [comm.objects(), array()];
    return { start: () => objects.allgather(data), block: () => objects.allgatherSync(data) };
  },
  neighborAllgather(comm) {
    const [ring, data, into] = [comm as CartCommunicator, array(), new Float64Array(2 * COUNT)];
    return {
      start: () => ring.neighborAllgather(data, into),
      block: () => ring.neighborAllgatherSync(data, into),
    };
  },
  neighborAlltoall(comm) {
    const [ring, data, into] = [comm as CartCommunicator, array(), array()];
    return {
      start: () => ring.neighborAlltoall(data, into),
      block: () => ring.neighborAlltoallSync(data, into),
    };
  },
};
