/** What a program has in use; needs `--expose-gc`. */
import { setImmediate as turn } from 'node:timers/promises';

/** Bytes on the heap and in buffers, after what nobody needs is gone. */
export async function inUse(): Promise<number> {
  for (let i = 0; i < 4; i++) {
    (globalThis as { gc?: () => void }).gc?.();
    await turn();
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
