/** The programming interface of `dreg-mpi`. */

export type { SharedMemory } from '../transports/shm/heap.ts';
export { ANY_SOURCE, ANY_TAG, PROC_NULL, TAG_UB } from './base/constants.ts';
export type { ErrorCode, ErrorDetails } from './base/error.ts';
export { ERROR_CODES, MpiError } from './base/error.ts';
export { Communicator } from './mpi/communicator.ts';
export { MPI, type Statistics } from './mpi/mpi.ts';
export type { MessageBuffer } from './mpi/point-to-point/buffer.ts';
export { StartedRequest as Request } from './mpi/point-to-point/started-request.ts';
export type { ElementType } from './mpi/point-to-point/status.ts';
export { Status } from './mpi/point-to-point/status.ts';
