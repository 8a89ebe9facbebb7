/**
 * The calls of `dreg-mpi/memory`.
 *
 * The registration cache on its own. [The guide](../guide/registration-cache.md) shows how it is used, and
 * says what happens when something goes wrong.
 *
 * Addresses, lengths and offsets are bytes. An answer that is a negative errno is `-ENOBUFS` and the like,
 * as in `os.constants.errno`.
 *
 * The tests run the examples. There `fd` is the descriptor of a file, open for reading and writing, and `assert` Node's.
 */
export { MpiError } from '../base/error.ts';
export type { Stats } from './counters.ts';
export { ACCESS, type Access, type Domain, type Operation } from './domain.ts';
export {
  UringDomain,
  type UringOperation,
  type UringOptions,
  uringRead,
  uringSend,
  uringWrite,
} from './domains/uring.ts';
export type { Lease } from './lease.ts';
export type { Limits } from './limits.ts';
export { type ManagerOptions, PinnedMemoryManager } from './manager.ts';
export type { Monitor, Reason } from './monitor.ts';
export {
  MONITORS,
  type MonitorName,
  type MonitorOptions,
  openMonitor,
} from './monitors/open.ts';
export type { View } from './view.ts';
