/** The errnos that the manager tells apart. Functions of monitors and domains answer them negated. */
import { constants } from 'node:os';

const { EAGAIN, EDQUOT, EFAULT, EMFILE, ENFILE, ENOBUFS, ENOMEM, ENOSPC } = constants.errno;

export { EAGAIN, EFAULT, ENOBUFS, ENOMEM };

const EXHAUSTED = new Set([EAGAIN, EDQUOT, EMFILE, ENFILE, ENOBUFS, ENOMEM, ENOSPC]);

/** Whether a negative answer says that a resource is used up, so that giving back may help. */
export function isExhausted(answer: number): boolean {
  return EXHAUSTED.has(-answer);
}
