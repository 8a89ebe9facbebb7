import { closeSync, openSync, readSync } from 'node:fs';

const BYTES = 6;

/**
 * Twelve hexadecimal digits that nobody can guess. From the kernel, because loading node:crypto
 * takes longer than everything else that a rank does to join its job.
 */
export function randomId(): string {
  const bytes = Buffer.alloc(BYTES);
  const fd = openSync('/dev/urandom', 'r');
  readSync(fd, bytes);
  closeSync(fd);
  return bytes.toString('hex');
}
