/**
 * MPI for worker threads: `dreg-mpi/worker`.
 *
 * MPI lives in a rank's main thread. A worker has a port to it: the main thread makes one by {@link portFor} and passes it
 * on, and the worker makes a {@link RankPort} of it.
 *
 * The tests run the examples with two ranks: `world` is `MPI.world`, `other` the other rank, `assert` Node's.
 */
export { MpiError } from './base/error.ts';
export { RankPort, WorkerObjects } from './mpi/worker/rank-port.ts';
export { portFor } from './mpi/worker/serve.ts';
