import { buildDebugKernel } from './debug-kernel.ts';

/** `npm run guest:debug`: builds the debug kernel and runs the self-tests in it. */
const progress = (line: string) => process.stderr.write(`guest:debug: ${line}\n`);
const started = performance.now();
const kernel = await buildDebugKernel(progress);
progress(`${kernel.abi} is ready after ${Math.round((performance.now() - started) / 1000)} s`);
