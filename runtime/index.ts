/** The programming interface of `dreg-mpi`. */
export type { MessageBuffer } from './buffer.ts';
export { Communicator } from './communicator.ts';
export { ANY_SOURCE, ANY_TAG, PROC_NULL, TAG_UB } from './constants.ts';
export { MPI, type Statistics } from './environment.ts';
export type { ErrorCode, ErrorDetails } from './error.ts';
export { ERROR_CODES, MpiError } from './error.ts';
export { Request } from './request.ts';
export type { ElementType } from './status.ts';
export { Status } from './status.ts';
