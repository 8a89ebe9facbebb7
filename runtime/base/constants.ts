/** Constants of the programming interface (MPI 4.1, A.1.1). */

/** Receives from any rank of the communicator. */
export const ANY_SOURCE = -1;
/** Receives a message of any tag. */
export const ANY_TAG = -1;
/** A rank that is nobody: communication with it completes at once and moves nothing. */
export const PROC_NULL = -2;
/** The largest tag a program may use. */
export const TAG_UB = 0x7fff_ffff;
