import { findDebugKernel } from './debug-kernel.ts';
import type { Kernel, KernelName } from './kernels.ts';
import { setUp } from './setup.ts';

const ready = new Map<KernelName, Promise<Kernel>>();

async function prepare(name: KernelName): Promise<Kernel> {
  if (name === 'debug') return findDebugKernel();
  return (await setUp({ kernels: [name] })).get(name)!;
}

/** A kernel to boot, set up now if it was not yet; looked for once in a process. */
export function readyKernel(name: KernelName): Promise<Kernel> {
  let kernel = ready.get(name);
  if (kernel === undefined) {
    kernel = prepare(name);
    ready.set(name, kernel);
  }
  return kernel;
}
