/** A part of bench:heap, in a process of its own: prints what it took, as one JSON object. */
import { readFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

const KIB = 1024;
const MIB = 1024 * KIB;
/** Elements of 8 bytes that lie on one page. */
const PAGE_ELEMENTS = 512;
/** Accesses of the random walk. */
const WALK = 4_000_000;
/** What is allocated and dropped in a measurement of churn. */
const CHURN_BYTES = 2048 * MIB;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Nothing may be left out because nobody reads it. */
let sink = 0;

/** Milliseconds of processor time. */
function processorTime(run: () => void): number {
  const started = process.cpuUsage();
  run();
  const { user, system } = process.cpuUsage(started);
  return (user + system) / 1000;
}

function residentMegabytes(): number {
  const [, pages] = readFileSync('/proc/self/statm', 'latin1').split(' ');
  return (Number(pages) * 4) / 1024;
}

function sum(array: Float64Array): void {
  for (let i = 0; i < array.length; i++) sink += array[i];
}

function walk(array: Float64Array): void {
  let at = 1;
  const last = array.length - 1;
  for (let i = 0; i < WALK; i++) {
    at = (Math.imul(at, 1664525) + 1013904223) >>> 0;
    sink += array[at & last]++;
  }
}

/** `bytes` is a power of two. */
function compute(bytes: number): Record<string, number> {
  // Compiled before anything is measured.
  const small = new Float64Array(1024);
  for (let i = 0; i < 100; i++) sum(small.fill(1));
  walk(small);
  let array = new Float64Array(0);
  const touch = processorTime(() => {
    array = new Float64Array(bytes / 8);
    for (let i = 0; i < array.length; i += PAGE_ELEMENTS) array[i] = 1;
  });
  // Twice: what the first run meets for the first time is not the memory's doing.
  const sequential = [0, 1].map(() => processorTime(() => sum(array)));
  const random = [0, 1].map(() => processorTime(() => walk(array)));
  return { touch, sequential: Math.min(...sequential), random: Math.min(...random) };
}

function churn(bytes: number): Record<string, number> {
  const round = (count: number) => {
    for (let i = 0; i < count; i++) sink += new Float64Array(bytes / 8).fill(i)[7];
  };
  round(256 * MIB > bytes ? (256 * MIB) / bytes : 1);
  return { churn: processorTime(() => round(CHURN_BYTES / bytes)) };
}

/** Memory of so many arrays, and what is left of it once they are dropped. */
async function memory(): Promise<Record<string, number>> {
  collect();
  let arrays: Float64Array[] = Array.from({ length: 512 }, () => new Float64Array(MIB / 8).fill(1));
  const peak = residentMegabytes();
  sink += arrays[511][3];
  arrays = [];
  for (let i = 0; i < 3; i++) {
    collect();
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return { peak, idle: residentMegabytes() };
}

const PARTS: Record<string, () => Record<string, number> | Promise<Record<string, number>>> = {
  start: () => ({}),
  'compute 256 MiB': () => compute(256 * MIB),
  'compute 1 GiB': () => compute(1024 * MIB),
  'churn 64 KiB': () => churn(64 * KIB),
  'churn 1 MiB': () => churn(MIB),
  'churn 16 MiB': () => churn(16 * MIB),
  'churn 64 MiB': () => churn(64 * MIB),
  memory,
};

const figures = await PARTS[process.argv[2]]();
const { userCPUTime, systemCPUTime } = process.resourceUsage();
console.log(
  JSON.stringify({ ...figures, whole: (userCPUTime + systemCPUTime) / 1000, sink: sink > 0 }),
);
