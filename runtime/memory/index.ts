/** `dreg-mpi/memory`: the pinned-memory manager on its own. */
export { MpiError } from '../error.ts';
export type { Stats } from './counters.ts';
export { ACCESS, type Access, type Domain, type Operation } from './domain.ts';
export type { Lease, View } from './lease.ts';
export type { Limits } from './limits.ts';
export { type ManagerOptions, PinnedMemoryManager } from './manager.ts';
export type { Monitor, Reason } from './monitor.ts';
