/** The package's types: with the oldest TypeScript that the docs name and with ours, with Node's types or not. */
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { packageRoot } from '../../../native/addon.ts';
import { start } from '../../tools/launcher.ts';
import { Project } from './support.ts';

const MPI = `
import { type Communicator, type MessageBuffer, MPI, MpiError, PROC_NULL, Request, Status } from 'dreg-mpi';
const world: Communicator = MPI.world;
const buffers: MessageBuffer[] = [new Float64Array(1), new ArrayBuffer(8), new SharedArrayBuffer(8)];
const request: Request = world.irecv(buffers[0], 0);
const status: Promise<Status> = world.recv(null, PROC_NULL);
// @ts-expect-error
world.send('text', 0);
export { MpiError, request, status };
`;
const REDUCTIONS = `
import { AVG, BAND, bf16, type Bigs, type Integers, MAX, MINLOC, MPI, Op, type Request, SUM } from 'dreg-mpi';
const { world } = MPI;
const floats = new Float32Array(4);
const number: number = world.allreduceSync(1.5, MAX);
const big: Request<bigint> = world.allreduce(5n, SUM);
const rooted: number | null = world.reduceSync(1, SUM, 2);
const sums: Float32Array = world.allreduceSync(floats, AVG);
const bits: Uint32Array = world.scanSync(new Uint32Array(3), null, BAND);
const halves: Uint16Array = world.allreduceSync(new Uint16Array(3), bf16(SUM));
const far = Op.each<Float64Array>((x, y) => Math.hypot(x, y), { commutative: true });
const product = Op.each<BigInt64Array>((x, y) => x * y);
const narrow: Op<Uint32Array> = BAND;
const both: Op<Integers | Bigs> = SUM;
world.allreduceSync(new Float64Array(2), far);
world.persistent.allreduce(floats, SUM).runSync();
// @ts-expect-error floats have no bits
world.allreduceSync(floats, BAND);
// @ts-expect-error nor does an average have whole numbers
world.reduce(new Int32Array(2), null, AVG);
// @ts-expect-error pairs are of doubles, or of integers
world.allreduce(floats, MINLOC);
// @ts-expect-error
world.scan(floats, null, far);
// @ts-expect-error
world.allreduceSync(1n, far);
// @ts-expect-error
world.allreduceSync(1, BAND);
// @ts-expect-error two types
world.allreduceSync(floats, new Float64Array(4), SUM);
// @ts-expect-error
product.reduceLocal(floats, floats);
// @ts-expect-error
const wide: Op<Float64Array> = BAND;
export { big, bits, both, halves, narrow, number, rooted, sums, wide };
`;
const MEMORY = `
import { ACCESS, type Lease, MONITORS, openMonitor, PinnedMemoryManager, UringDomain } from 'dreg-mpi/memory';
const manager = new PinnedMemoryManager({ monitor: openMonitor(), domain: new UringDomain() });
const lease: Lease = manager.acquire(new Uint8Array(1), ACCESS.localWrite);
lease[Symbol.dispose]();
export { MONITORS };
`;
const WORKER = `
import { MpiError, portFor, RankPort } from 'dreg-mpi/worker';
import { type Communicator, MPI } from 'dreg-mpi';
const world: Communicator = MPI.world;
const port: ReturnType<typeof portFor> = portFor(world);
const mpi: RankPort = await RankPort.open(port);
const { value, source } = await mpi.objects<{ a: number }>().recv();
const sum: number = value.a + source + mpi.rank;
// @ts-expect-error
await mpi.send('text', 0);
await mpi.send(new Float64Array(1), 0);
export { MpiError, sum };
`;
const ALL = ['mpi.mts', 'reductions.mts', 'memory.mts', 'worker.mts'];
const OPTIONS = {
  strict: true,
  noEmit: true,
  target: 'es2022',
  skipLibCheck: false,
  typeRoots: [join(packageRoot(), 'node_modules/@types')],
};

const COMPILERS = {
  'TypeScript 5.2': 'test/unit/package/oldest/node_modules/typescript',
  'TypeScript of today': 'node_modules/typescript',
};
const BOTH = Object.keys(COMPILERS) as Compiler[];

let project: Project;
beforeEach(() => {
  project = new Project();
  project.link('dreg-mpi', packageRoot());
  project.file('mpi.mts', MPI);
  project.file('reductions.mts', REDUCTIONS);
  project.file('memory.mts', MEMORY);
  project.file('worker.mts', WORKER);
});
afterEach(() => project.remove());

type Compiler = keyof typeof COMPILERS;

async function check(compiler: Compiler, files: string[], options: object): Promise<string> {
  const compilerOptions = { ...OPTIONS, ...options };
  const file = project.file('tsconfig.json', JSON.stringify({ compilerOptions, files }));
  const tsc = join(packageRoot(), COMPILERS[compiler], 'bin/tsc');
  const { stdout, stderr } = await start(process.execPath, [tsc, '-p', file], {}).ended;
  return stdout + stderr;
}

const NODE = { module: 'nodenext', moduleResolution: 'nodenext' };
const BUNDLER = { module: 'esnext', moduleResolution: 'bundler' };

// By itself a file shows that nothing is missing which another one brings; no compiler takes that another way.
test.each([
  ['TypeScript of today', ['memory.mts']] as const,
  ['TypeScript of today', ['worker.mts']] as const,
  ...BOTH.map((compiler) => [compiler, ALL] as const),
])('%s takes %j', async (compiler, files) => {
  expect(await check(compiler, [...files], { ...NODE, types: [] })).toBe('');
});

test.each(BOTH)('%s, for a bundler', async (compiler) => {
  expect(await check(compiler, ALL, { ...BUNDLER, types: [] })).toBe('');
});

test("beside Node's types", async () => {
  const options = { ...NODE, types: ['node'] };
  expect(await check('TypeScript of today', ALL, options)).toBe('');
});
