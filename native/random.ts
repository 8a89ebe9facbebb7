import { closeSync, openSync, readSync } from 'node:fs';

/**
 * `count` bytes that nobody can guess, as hexadecimal digits. From the kernel, because loading
 * node:crypto takes longer than everything else that a rank does to join its job.
 */
export function randomHex(count: number): string {
  const bytes = Buffer.alloc(count);
  const fd = openSync('/dev/urandom', 'r');
  readSync(fd, bytes);
  closeSync(fd);
  return bytes.toString('hex');
}
