/**
 * Memory that processes share: `dreg-mpi/shared`.
 *
 * For processes that are no ranks: children, members of a cluster, processes of one user that have nothing to do with each other; and
 * their workers. No launcher is needed, and MPI is not loaded. The [guide](../guide/shared-memory.md) has programs.
 *
 * `Atomics` reads and writes the memory, in all processes at once. `Atomics.wait` and `Atomics.notify` reach threads of one process
 * only; {@link wait}, {@link waitAsync} and {@link notify} reach all of them.
 */
export { MpiError } from './base/error.ts';
export { SharedMemory } from './shared-memory/shared-memory.ts';
export { notify, type WaitResult, wait, waitAsync } from './shared-memory/wait.ts';
