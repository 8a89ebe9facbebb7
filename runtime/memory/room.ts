/** Whether the machine has memory for what is asked for: shared memory has no limit of its own. */
import { freemem } from 'node:os';
import { MpiError } from '../base/error.ts';
import { cgroupLeft } from './limits.ts';

/** Which versions of Node have a SharedArrayBuffer over memory that is not Node's own. */
export const SHARED_BUFFER_VERSIONS = 'Node 22.23, 24.21, 26.12, or a newer one of these lines';

/** Memory of the machine or the cgroup that shared memory leaves free. */
export const MEMORY_MARGIN_BYTES = 32 * 2 ** 20;
/**
 * Bytes that are taken at a time. Then it is checked again how much memory is left, because others allocate
 * too.
 */
export const RESERVE_BYTES = 64 * 2 ** 20;

/** Bytes that may be allocated before the machine, or a cgroup of this process, has none. */
export function memoryLeft(): number {
  return Math.max(0, Math.min(freemem(), cgroupLeft()) - MEMORY_MARGIN_BYTES);
}

/**
 * Takes memory for a range piece by piece, as long as there is some: the kernel would sooner kill a process than
 * refuse a page.
 * @param take gives memory to a piece of the range
 * @throws MpiError ERR_NO_MEM; what `take` throws
 */
export function takeMemory(
  bytes: number,
  left: () => number,
  purpose: string,
  take: (done: number, piece: number) => void,
): void {
  for (let done = 0; done < bytes; done += RESERVE_BYTES) {
    const room = left();
    if (bytes - done > room)
      throw new MpiError(
        'ERR_NO_MEM',
        `${purpose}: the machine, or the cgroup that this process runs in, has ${Math.floor(room)} bytes left, without the ${MEMORY_MARGIN_BYTES} that stay free: free buffers, or raise the cgroup's limit`,
      );
    take(done, Math.min(RESERVE_BYTES, bytes - done));
  }
}
