/** Constants of the programming interface (MPI 4.1, A.1.1). */

/** As the source of a receive: any rank of the communicator (MPI_ANY_SOURCE; MPI 4.1, 3.2.4). */
export const ANY_SOURCE = -1;
/** As the tag of a receive: any tag (MPI_ANY_TAG; MPI 4.1, 3.2.4). */
export const ANY_TAG = -1;
/**
 * A rank that is nobody (MPI_PROC_NULL; MPI 4.1, 3.11): communication with it completes at once and moves
 * nothing.
 */
export const PROC_NULL = -2;
/**
 * As the root of a collective call on an intercommunicator: this rank itself (MPI_ROOT; MPI 4.1, 6.2.3). The other ranks of its group
 * pass {@link PROC_NULL}, those of the other group its rank.
 */
export const ROOT = -3;
/** The largest tag that a program may use: 2³¹ − 1 (MPI_TAG_UB; MPI 4.1, 3.2.3). */
export const TAG_UB = 0x7fff_ffff;
