/**
 * Copies what a plan describes to and from bytes that lie side by side, all of it or any stretch. Words of 64 and
 * 32 bits are moved by loops, long runs by the C library.
 */
import { addon } from '../../../native/addon.ts';
import type { Memory } from './memory.ts';
import type { Blocks, Loop, Parts, Plan } from './plan.ts';

/** From this many bytes on, a call of the C library beats a loop. */
const RUN_BYTES_MIN = 256;
/** From this many short runs on, too. */
const RUNS_MIN = 64;

/** Two memories of which one is laid out by a plan; addresses as of {@link Memory}. */
export interface Copy {
  readonly laid: Memory;
  readonly packed: Memory;
  /** From the layout to the packed bytes; false: back. */
  readonly packing: boolean;
}

/**
 * Copies the plan's bytes [skip, skip + length).
 * @param at where the plan begins
 * @param packedAt where the first of those bytes lies, packed
 */
export function copyPlan(
  copy: Copy,
  plan: Plan,
  at: number,
  skip: number,
  length: number,
  packedAt: number,
): void {
  if (length <= 0) return;
  if (plan.kind === 'run') copyRun(copy, at + skip, packedAt, length);
  else if (plan.kind === 'blocks') copyBlocks(copy, plan, at, skip, length, packedAt);
  else if (plan.kind === 'parts') copyParts(copy, plan, at, skip, length, packedAt);
  else if (plan.body.kind === 'run') copyVector(copy, plan, at, skip, length, packedAt);
  else copyLoop(copy, plan, at, skip, length, packedAt);
}

function copyLoop(
  copy: Copy,
  { stride, body }: Loop,
  at: number,
  skip: number,
  length: number,
  packedAt: number,
): void {
  const { size } = body;
  let turn = Math.floor(skip / size);
  let within = skip - turn * size;
  for (let done = 0; done < length; turn++) {
    const piece = Math.min(size - within, length - done);
    copyPlan(copy, body, at + turn * stride, within, piece, packedAt + done);
    done += piece;
    within = 0;
  }
}

/** A loop over a run: a first and a last run may be cut, the others are moved by one loop. */
function copyVector(
  copy: Copy,
  { stride, body: { size } }: Loop,
  at: number,
  skip: number,
  length: number,
  packedAt: number,
): void {
  let turn = Math.floor(skip / size);
  const within = skip - turn * size;
  let done = 0;
  if (within > 0) {
    done = Math.min(size - within, length);
    copyRun(copy, at + turn * stride + within, packedAt, done);
    turn++;
  }
  const whole = Math.floor((length - done) / size);
  if (whole > 0) copyRuns(copy, at + turn * stride, stride, packedAt + done, size, whole);
  done += whole * size;
  if (done < length) copyRun(copy, at + (turn + whole) * stride, packedAt + done, length - done);
}

/** The last entry that does not begin behind a position. */
function entryAt(before: Float64Array, position: number): number {
  let low = 0;
  let high = before.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if (before[middle] <= position) low = middle;
    else high = middle - 1;
  }
  return low;
}

function copyBlocks(
  copy: Copy,
  { at: places, lengths, before }: Blocks,
  at: number,
  skip: number,
  length: number,
  packedAt: number,
): void {
  let entry = skip === 0 ? 0 : entryAt(before, skip);
  let within = skip - before[entry];
  for (let done = 0; done < length; entry++) {
    const piece = Math.min(lengths[entry] - within, length - done);
    copyRun(copy, at + places[entry] + within, packedAt + done, piece);
    done += piece;
    within = 0;
  }
}

function copyParts(
  copy: Copy,
  { at: places, plans, before }: Parts,
  at: number,
  skip: number,
  length: number,
  packedAt: number,
): void {
  let entry = skip === 0 ? 0 : entryAt(before, skip);
  let within = skip - before[entry];
  for (let done = 0; done < length; entry++) {
    const piece = Math.min(plans[entry].size - within, length - done);
    copyPlan(copy, plans[entry], at + places[entry], within, piece, packedAt + done);
    done += piece;
    within = 0;
  }
}

function copyRun(copy: Copy, laidAt: number, packedAt: number, length: number): void {
  if (copy.packing) moveRun(copy.packed, packedAt, copy.laid, laidAt, length);
  else moveRun(copy.laid, laidAt, copy.packed, packedAt, length);
}

function moveRun(to: Memory, at: number, from: Memory, start: number, length: number): void {
  const alignment = at | start | length;
  if (length >= RUN_BYTES_MIN) addon().copy(to.bytes, at, from.bytes, start, length);
  else if (alignment % 8 === 0)
    moveLongs(to.longs, at / 8, 1, from.longs, start / 8, 1, length / 8);
  else if (alignment % 4 === 0)
    moveWords(to.words, at / 4, 1, from.words, start / 4, 1, length / 4);
  else moveBytes(to.bytes, at, from.bytes, start, length);
}

/** `count` runs of `size` bytes, `stride` bytes apart where they are laid out. */
function copyRuns(
  { laid, packed, packing }: Copy,
  laidAt: number,
  stride: number,
  packedAt: number,
  size: number,
  count: number,
): void {
  if (packing) moveRuns(packed, packedAt, size, laid, laidAt, stride, size, count);
  else moveRuns(laid, laidAt, stride, packed, packedAt, size, size, count);
}

function moveRuns(
  to: Memory,
  at: number,
  step: number,
  from: Memory,
  start: number,
  stride: number,
  size: number,
  count: number,
): void {
  const alignment = at | step | start | stride;
  if (count >= RUNS_MIN || (count > 1 && size >= RUN_BYTES_MIN))
    addon().copyRuns(to.bytes, at, step, from.bytes, start, stride, size, count);
  else if (size === 8 && alignment % 8 === 0)
    moveLongs(to.longs, at / 8, step / 8, from.longs, start / 8, stride / 8, count);
  else if (size === 4 && alignment % 4 === 0)
    moveWords(to.words, at / 4, step / 4, from.words, start / 4, stride / 4, count);
  else for (let i = 0; i < count; i++) moveRun(to, at + i * step, from, start + i * stride, size);
}

// Written out by four: V8 looks at each array's length anew in each turn of a loop.

function moveLongs(
  to: BigInt64Array,
  at: number,
  step: number,
  from: BigInt64Array,
  start: number,
  stride: number,
  count: number,
): void {
  let i = 0;
  let [here, there] = [at, start];
  for (; i <= count - 4; i += 4) {
    to[here] = from[there];
    to[here + step] = from[there + stride];
    to[here + 2 * step] = from[there + 2 * stride];
    to[here + 3 * step] = from[there + 3 * stride];
    here += 4 * step;
    there += 4 * stride;
  }
  for (; i < count; i++, here += step, there += stride) to[here] = from[there];
}

function moveWords(
  to: Int32Array,
  at: number,
  step: number,
  from: Int32Array,
  start: number,
  stride: number,
  count: number,
): void {
  let i = 0;
  let [here, there] = [at, start];
  for (; i <= count - 4; i += 4) {
    to[here] = from[there];
    to[here + step] = from[there + stride];
    to[here + 2 * step] = from[there + 2 * stride];
    to[here + 3 * step] = from[there + 3 * stride];
    here += 4 * step;
    there += 4 * stride;
  }
  for (; i < count; i++, here += step, there += stride) to[here] = from[there];
}

function moveBytes(
  to: Uint8Array,
  at: number,
  from: Uint8Array,
  start: number,
  length: number,
): void {
  for (let i = 0; i < length; i++) to[at + i] = from[start + i];
}
