/** Layouts (MPI 4.1, 5): where the bytes of a message lie in memory, if not side by side. */
import { inWords, isBytes, isTypedArray, lengthOf, NO_BYTES } from '../../base/bytes.ts';
import { MpiError } from '../../base/error.ts';
import { bytesOf, type MessageBuffer } from '../point-to-point/buffer.ts';
import { type ElementType, widthOf } from '../point-to-point/status.ts';
import { checkCount, checkInteger, checkList, checkSafe } from './checks.ts';
import { copyPlan } from './copy.ts';
import { type Distribution, ownedParts, type Part } from './distribution.ts';
import { memoryOf } from './memory.ts';
import { NOTHING, type Placed, repeat, run, sequence } from './plan.ts';

/** One field of {@link Layout.struct}. */
export interface Field {
  /** What the field is. */
  readonly layout: Layout;
  /** Where it begins, in bytes. */
  readonly offset: number;
  /** How many of it there are, one behind the other; 1 if left out. */
  readonly count?: number;
}

/** 'C': the last index runs fastest; 'F', as in Fortran: the first one. */
export type Order = 'C' | 'F';

/** Where a layout begins and ends, in bytes; the end is the place where a next one would begin. */
interface Bounds {
  readonly lower: number;
  readonly upper: number;
}

/**
 * A datatype (MPI 4.1, 5.1): which bytes of a piece of memory belong to a message, in which order.
 * A layout is made from others by calls in a row, and never changes, so there is nothing to commit or free:
 *
 *     const column = Layout.of(Float64Array).vector(10, 1, 10);
 *     await comm.send({ data: matrix, layout: column, offset: 8 * 3 }, 1);
 *
 * Displacements, strides and block lengths count in extents of the layout they are called on; those of
 * `hvector`, `hindexed`, `struct` and `resized` in bytes. Messages match by bytes: what one layout sends, another
 * one, or a plain buffer, may receive.
 *
 * Every call throws MpiError ERR_ARG for what is no layout, list or whole number, and ERR_COUNT for a number
 * of elements below 0, or for a layout that reaches further than numbers count exactly (2^53 bytes).
 */
export class Layout {
  /** Bytes that travel (MPI_Type_size). */
  readonly size: number;
  /** Bytes from the beginning of one to that of the next (MPI_Type_get_extent). */
  readonly extent: number;
  /** Where it begins, in bytes; usually 0 (MPI_Type_get_extent). */
  readonly lowerBound: number;
  /** Bytes from the first that travels to the last (MPI_Type_get_true_extent). */
  readonly trueExtent: number;
  /** Where the first byte that travels lies (MPI_Type_get_true_extent). */
  readonly trueLowerBound: number;
  /** @internal */
  readonly placed: Placed;

  private constructor(placed: Placed, { lower, upper }: Bounds) {
    const { at, plan } = placed;
    for (const value of [lower, upper, at + plan.low, at + plan.high, plan.size]) checkSafe(value);
    this.placed = placed;
    this.size = plan.size;
    this.lowerBound = lower;
    this.extent = upper - lower;
    this.trueLowerBound = at + plan.low;
    this.trueExtent = plan.high - plan.low;
    Object.freeze(this);
  }

  /**
   * One element (MPI 4.1, 5.1).
   * @param type a typed array's constructor, such as `Float64Array`, or an element's width in bytes
   * @throws MpiError ERR_ARG where it has no width
   */
  static of(type: ElementType): Layout {
    const width = widthOf(type);
    return new Layout({ at: 0, plan: run(width) }, { lower: 0, upper: width });
  }

  /**
   * Fields of any layout, each where it says, in the order of the list (MPI_Type_create_struct; MPI 4.1, 5.1.2).
   * @param extent the size of the whole in bytes, padding included; if left out, the end of what reaches furthest
   * @throws MpiError ERR_ARG, ERR_COUNT as {@link Layout} says
   */
  static struct(fields: readonly Field[], extent?: number): Layout {
    checkList(fields, 'the fields of a struct');
    const items: Placed[] = [];
    let bounds: Bounds | null = null;
    for (let i = 0; i < fields.length; i++) {
      const { layout, offset, count = 1 } = Object(fields[i]) as Field;
      if (!(layout instanceof Layout))
        throw new MpiError(
          'ERR_ARG',
          `field ${i} of a struct is of ${inWords(layout)}, not of a Layout`,
        );
      checkInteger(offset, `the offset of field ${i}`);
      checkCount(count, `the count of field ${i}`);
      if (count === 0) continue;
      items.push(moved(repeat(layout.placed, count, layout.extent), offset));
      bounds = union(bounds, layout.#boundsOf(count, offset, offset));
    }
    const made = new Layout(sequence(items), bounds ?? NOWHERE);
    return extent === undefined ? made : made.resized(0, extent);
  }

  /**
   * `count` of it, one behind the other (MPI_Type_contiguous; MPI 4.1, 5.1.2).
   * @throws MpiError ERR_ARG, ERR_COUNT as {@link Layout} says
   */
  contiguous(count: number): Layout {
    checkCount(count, 'the count');
    return this.#make(repeat(this.placed, count, this.extent), this.#boundsOf(count, 0, 0));
  }

  /**
   * `count` blocks of `blockLength` elements, `stride` elements from the beginning of one to that of the next
   * (MPI_Type_vector; MPI 4.1, 5.1.2).
   * @throws MpiError ERR_ARG, ERR_COUNT as {@link Layout} says
   */
  vector(count: number, blockLength: number, stride: number): Layout {
    checkInteger(stride, 'the stride');
    checkSafe(stride * this.extent);
    return this.hvector(count, blockLength, stride * this.extent);
  }

  /**
   * {@link vector} with the stride in bytes (MPI_Type_create_hvector; MPI 4.1, 5.1.2).
   * @throws MpiError as {@link vector}
   */
  hvector(count: number, blockLength: number, strideBytes: number): Layout {
    checkCount(count, 'the count');
    checkCount(blockLength, 'the block length');
    checkInteger(strideBytes, 'the stride in bytes');
    const block = repeat(this.placed, blockLength, this.extent);
    if (count === 0) return this.#make(NOTHING, NOWHERE);
    const last = (count - 1) * strideBytes;
    return this.#make(
      repeat(block, count, strideBytes),
      this.#boundsOf(blockLength, Math.min(0, last), Math.max(0, last)),
    );
  }

  /**
   * Blocks, each of so many elements at so many elements from the beginning (MPI_Type_indexed; MPI 4.1, 5.1.2).
   * @throws MpiError ERR_ARG where the lists differ in length; ERR_COUNT
   */
  indexed(blockLengths: ArrayLike<number>, displacements: ArrayLike<number>): Layout {
    return this.#indexed(blockLengths, displacements, this.extent);
  }

  /**
   * {@link indexed} with displacements in bytes (MPI_Type_create_hindexed; MPI 4.1, 5.1.2).
   * @throws MpiError as {@link indexed}
   */
  hindexed(blockLengths: ArrayLike<number>, byteDisplacements: ArrayLike<number>): Layout {
    return this.#indexed(blockLengths, byteDisplacements, 1);
  }

  /**
   * Blocks of one length, each at so many elements from the beginning (MPI_Type_create_indexed_block; MPI 4.1, 5.1.2).
   * @throws MpiError ERR_ARG, ERR_COUNT as {@link Layout} says
   */
  indexedBlock(blockLength: number, displacements: ArrayLike<number>): Layout {
    checkCount(blockLength, 'the block length');
    checkList(displacements, 'the displacements');
    const lengths = new Float64Array(displacements.length).fill(blockLength);
    return this.#indexed(lengths, displacements, this.extent);
  }

  #indexed(lengths: ArrayLike<number>, displacements: ArrayLike<number>, unit: number): Layout {
    checkList(lengths, 'the block lengths');
    checkList(displacements, 'the displacements');
    if (lengths.length !== displacements.length)
      throw new MpiError(
        'ERR_ARG',
        `there are ${lengths.length} block lengths and ${displacements.length} displacements: each block needs both`,
      );
    const items: Placed[] = [];
    /** Blocks of one length share what describes them. */
    const blocks = new Map<number, Placed>();
    let bounds: Bounds | null = null;
    for (let i = 0; i < lengths.length; i++) {
      const length = lengths[i];
      checkCount(length, `block length ${i}`);
      checkInteger(displacements[i], `displacement ${i}`);
      const offset = displacements[i] * unit;
      if (length === 0) continue;
      checkSafe(offset);
      let block = blocks.get(length);
      if (block === undefined) {
        block = repeat(this.placed, length, this.extent);
        blocks.set(length, block);
      }
      items.push(moved(block, offset));
      bounds = union(bounds, this.#boundsOf(length, offset, offset));
    }
    return this.#make(sequence(items), bounds ?? NOWHERE);
  }

  /**
   * A part of an array of many dimensions, which begins where the array does and is as long (MPI_Type_create_subarray; MPI 4.1, 5.1.3).
   * @param sizes elements of the array in each dimension
   * @param subsizes elements of the part
   * @param starts where the part begins
   * @throws MpiError ERR_ARG where the part lies beyond the array, or the lists differ in length; ERR_COUNT
   */
  subarray(
    sizes: readonly number[],
    subsizes: readonly number[],
    starts: readonly number[],
    order: Order = 'C',
  ): Layout {
    checkList(sizes, 'the sizes');
    checkList(subsizes, 'the subsizes');
    checkList(starts, 'the starts');
    if (sizes.length === 0 || sizes.length !== subsizes.length || sizes.length !== starts.length)
      throw new MpiError(
        'ERR_ARG',
        `an array has one size, subsize and start in each of its dimensions: there are ${sizes.length}, ${subsizes.length} and ${starts.length}`,
      );
    const dimensions = sizes.map((size, i) => {
      checkCount(size, `size ${i}`);
      checkCount(subsizes[i], `subsize ${i}`);
      checkCount(starts[i], `start ${i}`);
      if (starts[i] + subsizes[i] > size)
        throw new MpiError(
          'ERR_ARG',
          `in dimension ${i} a part of ${subsizes[i]} from ${starts[i]} on lies beyond the array's ${size}`,
        );
      return { size, parts: [{ start: starts[i], length: subsizes[i], count: 1, stride: 0 }] };
    });
    return this.#array(dimensions, order);
  }

  /**
   * What one process has of an array that is dealt out to a grid of them (MPI_Type_create_darray; MPI 4.1, 5.1.4). Ranks count
   * through the grid with its last dimension running fastest, whatever `order` says of the array.
   * @param size processes in all
   * @param rank the one that is meant
   * @param distribution each dimension's
   * @throws MpiError ERR_ARG where the grid does not have `size` places, or blocks are too short for the array; ERR_COUNT
   */
  darray(
    size: number,
    rank: number,
    distribution: readonly Distribution[],
    order: Order = 'C',
  ): Layout {
    return this.#array(ownedParts(size, rank, distribution), order);
  }

  /** @param dimensions of the whole array, and what is taken along each */
  #array(dimensions: readonly { size: number; parts: readonly Part[] }[], order: Order): Layout {
    if (order !== 'C' && order !== 'F')
      throw new MpiError('ERR_ARG', `the order is ${inWords(order)}: it may be 'C' or 'F'`);
    let placed = this.placed;
    let step = this.extent;
    for (const { size, parts } of order === 'C' ? dimensions.toReversed() : dimensions) {
      const inner = placed;
      const unit = step;
      placed = sequence(
        parts.map(({ start, length, count, stride }) =>
          moved(repeat(repeat(inner, length, unit), count, stride * unit), start * unit),
        ),
      );
      step *= size;
    }
    return this.#make(placed, { lower: 0, upper: step });
  }

  /**
   * The same bytes, with another beginning and extent, both in bytes (MPI_Type_create_resized; MPI 4.1, 5.1.7).
   * @throws MpiError ERR_ARG, ERR_COUNT as {@link Layout} says
   */
  resized(lowerBound: number, extent: number): Layout {
    checkInteger(lowerBound, 'the lower bound');
    checkInteger(extent, 'the extent');
    return this.#make(this.placed, { lower: lowerBound, upper: lowerBound + extent });
  }

  /**
   * Copies what the layout describes, side by side (MPI_Pack; MPI 4.1, 5.2).
   * @param from the memory; the layout begins at its first byte
   * @param count how many, an extent apart
   * @param into where to; if left out, new memory
   * @returns `into`, or the part of it that was filled
   * @throws MpiError ERR_BUFFER where the layout reaches beyond `from`; ERR_TRUNCATE where `into` is too small;
   *   ERR_COUNT
   */
  pack(from: MessageBuffer, count = 1, into?: Uint8Array): Uint8Array {
    const bytes = this.#check(from, count);
    const length = this.size * count;
    const packed = into ?? newBytes(length);
    checkBytes(packed);
    if (lengthOf(packed) < length) throw tooSmall(length, lengthOf(packed));
    this.#copy(bytes, count, packed, length, true);
    return lengthOf(packed) === length ? packed : packed.subarray(0, length);
  }

  /**
   * Puts bytes that lie side by side where the layout says (MPI_Unpack; MPI 4.1, 5.2). What lies between stays as it is.
   * @param bytes as {@link pack} gave them; where there are fewer than the layout has, the rest stays as it is
   * @param into the memory; the layout begins at its first byte
   * @param count how many, an extent apart
   * @throws MpiError ERR_BUFFER where the layout reaches beyond `into`; ERR_TRUNCATE where there are more bytes than
   *   it has; ERR_COUNT
   */
  unpack(bytes: Uint8Array, into: MessageBuffer, count = 1): void {
    checkBytes(bytes);
    const memory = this.#check(into, count);
    const length = lengthOf(bytes);
    if (length > this.size * count) throw tooSmall(length, this.size * count);
    this.#copy(memory, count, bytes, length, false);
  }

  #copy(
    memory: Uint8Array,
    count: number,
    packedBytes: Uint8Array,
    length: number,
    packing: boolean,
  ): void {
    const laid = memoryOf(memory);
    const packed = memoryOf(packedBytes);
    const { at, plan } = this.times(count);
    copyPlan({ laid, packed, packing }, plan, laid.start + at, 0, length, packed.start);
  }

  /** @internal `count` of it, an extent apart. */
  times(count: number): Placed {
    return count === 1 ? this.placed : repeat(this.placed, count, this.extent);
  }

  #check(memory: MessageBuffer, count: number): Uint8Array {
    checkCount(count, 'the count');
    const bytes = bytesOf(memory);
    checkInside(this.times(count), 0, lengthOf(bytes));
    return bytes;
  }

  #make(placed: Placed, bounds: Bounds): Layout {
    return new Layout(placed, bounds);
  }

  /** Of `count` in a row, the first of which lies between two places. */
  #boundsOf(count: number, lowest: number, highest: number): Bounds {
    if (count === 0) return NOWHERE;
    const { lowerBound, extent } = this;
    const last = (count - 1) * extent;
    return {
      lower: lowest + lowerBound + Math.min(0, last),
      upper: highest + lowerBound + extent + Math.max(0, last),
    };
  }
}

const NOWHERE: Bounds = { lower: 0, upper: 0 };

function union(a: Bounds | null, b: Bounds): Bounds {
  if (a === null) return b;
  return { lower: Math.min(a.lower, b.lower), upper: Math.max(a.upper, b.upper) };
}

function moved({ at, plan }: Placed, offset: number): Placed {
  return { at: at + offset, plan };
}

/** @throws MpiError ERR_BUFFER where a layout that begins at `offset` leaves memory of `length` bytes */
export function checkInside({ at, plan }: Placed, offset: number, length: number): void {
  if (plan.size === 0) return;
  const first = offset + at + plan.low;
  const end = offset + at + plan.high;
  if (first >= 0 && end <= length) return;
  throw new MpiError(
    'ERR_BUFFER',
    `a layout takes the bytes ${first} to ${end - 1} of a buffer that has ${length}: give a larger buffer, or another offset or count`,
  );
}

function newBytes(length: number): Uint8Array {
  try {
    return length === 0 ? NO_BYTES : new Uint8Array(length);
  } catch (cause) {
    throw new MpiError('ERR_NO_MEM', `there is no memory for ${length} packed bytes`, { cause });
  }
}

function checkBytes(bytes: unknown): void {
  if (isBytes(bytes)) return;
  const what = isTypedArray(bytes) ? 'a typed array of another kind' : inWords(bytes);
  throw new MpiError('ERR_BUFFER', `packed bytes are a Uint8Array, not ${what}`);
}

function tooSmall(length: number, room: number): MpiError {
  return new MpiError('ERR_TRUNCATE', `${length} packed bytes do not fit into ${room}`);
}
