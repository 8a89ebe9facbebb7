/** What a completion's status says: for the operation that failed, and for the reader of the error. */
import { constants } from 'node:os';
import { MpiError } from '../../../runtime/base/error.ts';

const {
  EACCES,
  ECANCELED,
  ECONNRESET,
  EFAULT,
  EHOSTUNREACH,
  EINVAL,
  EIO,
  EMSGSIZE,
  ENOBUFS,
  EPROTO,
  ETIMEDOUT,
} = constants.errno;

interface Meaning {
  errno: number;
  /** What happened, and what to look at. */
  text: string;
}

/** enum ibv_wc_status, by number. */
const MEANINGS: readonly Meaning[] = [
  { errno: 0, text: 'success' },
  { errno: EMSGSIZE, text: 'a message was longer than the memory that was posted for it' },
  { errno: EINVAL, text: 'the device refused the work request' },
  { errno: EIO, text: 'local end-to-end context error' },
  { errno: EFAULT, text: 'local memory of the operation is not registered (any more)' },
  { errno: ECANCELED, text: 'the queue pair had failed before' },
  { errno: EIO, text: 'memory window error' },
  { errno: EPROTO, text: 'the peer answered what does not belong to the request' },
  { errno: EACCES, text: 'local memory of the operation may not be written' },
  { errno: EINVAL, text: 'the peer refused the request as invalid' },
  { errno: EACCES, text: "the peer's memory is not exported (any more) for this operation" },
  { errno: EIO, text: 'the peer could not carry out the operation' },
  {
    errno: ETIMEDOUT,
    text: 'no answer from the peer: its process or machine is gone, or the way to it is (cable, switch, GID, MTU)',
  },
  { errno: ENOBUFS, text: 'the peer had no buffer posted for a message' },
  { errno: EINVAL, text: 'local RDD violation' },
  { errno: EINVAL, text: 'the peer refused the request (RDD)' },
  { errno: ECONNRESET, text: 'the peer aborted the operation' },
  { errno: EIO, text: 'invalid end-to-end context' },
  { errno: EIO, text: 'invalid end-to-end context state' },
  { errno: EIO, text: 'the device failed' },
  { errno: EHOSTUNREACH, text: 'the peer did not answer in time' },
  { errno: EIO, text: 'the device reports an error without a name' },
];

/** IBV_WC_WR_FLUSH_ERR: nothing went wrong with this request but what came before it. */
export const FLUSHED = 5;

const UNKNOWN: Meaning = { errno: EIO, text: 'the device reports an unknown error' };

/** The errno that stands for a status other than 0. */
export function errnoOf(status: number): number {
  return (MEANINGS[status] ?? UNKNOWN).errno;
}

/** The error of a connection whose operation completed with `status`; the caller adds rank and peer. */
export function errorOf(status: number, device: string, vendor = 0): MpiError {
  const { errno, text } = MEANINGS[status] ?? UNKNOWN;
  const detail = vendor === 0 ? `status ${status}` : `status ${status}, vendor error ${vendor}`;
  return new MpiError('ERR_PEER_FAILED', `${device}: ${text} (${detail})`, { errno });
}
