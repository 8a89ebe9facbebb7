/** Cartesian grids (MPI 4.1, 8.5): which rank has which place. */
import { inWords } from '../../base/bytes.ts';
import { PROC_NULL } from '../../base/constants.ts';
import { MpiError } from '../../base/error.ts';
import { checkList } from '../datatype/checks.ts';
import { GRID_DIMENSIONS_MAX } from './dims.ts';
import type { Neighborhood } from './neighborhood.ts';

/** Two neighbours along a dimension. */
export interface Shift {
  /** The rank that a message comes from; PROC_NULL: there is none. */
  readonly source: number;
  /** The rank that a message goes to; PROC_NULL: there is none. */
  readonly destination: number;
}

/** Ranks go through the places in order: the last coordinate runs fastest. */
export class Grid {
  readonly dims: readonly number[];
  readonly periodic: readonly boolean[];
  readonly size: number;

  constructor(dims: readonly number[], periodic: readonly boolean[]) {
    this.dims = Object.freeze([...dims]);
    this.periodic = Object.freeze([...periodic]);
    this.size = dims.reduce((product, size) => product * size, 1);
  }

  /** @throws MpiError ERR_ARG */
  rankAt(coords: readonly number[]): number {
    checkList(coords, 'the coordinates of a rank');
    if (coords.length !== this.dims.length)
      throw new MpiError(
        'ERR_ARG',
        `a rank of a grid of ${this.dims.length} dimensions has as many coordinates, and not ${coords.length}`,
      );
    return this.dims.reduce((rank, size, i) => rank * size + this.#along(i, coords[i]), 0);
  }

  #along(dimension: number, coordinate: number): number {
    const size = this.dims[dimension];
    const isInside = coordinate >= 0 && coordinate < size;
    if (Number.isSafeInteger(coordinate) && (isInside || this.periodic[dimension]))
      return modulo(coordinate, size);
    throw new MpiError(
      'ERR_ARG',
      `the coordinate ${inWords(coordinate)} lies outside dimension ${dimension}, which has the places 0 to ${size - 1}${this.periodic[dimension] ? '' : ' and is not periodic'}`,
    );
  }

  /** @throws MpiError ERR_RANK */
  coordsOf(rank: number): number[] {
    if (!Number.isInteger(rank) || rank < 0 || rank >= this.size)
      throw new MpiError(
        'ERR_RANK',
        `${inWords(rank)} is no rank of this grid: it has the ranks 0 to ${this.size - 1}`,
      );
    const coords: number[] = [];
    let left = rank;
    for (let i = this.dims.length - 1; i >= 0; i--) {
      coords.unshift(left % this.dims[i]);
      left = Math.floor(left / this.dims[i]);
    }
    return coords;
  }

  /** @throws MpiError ERR_ARG */
  shift(rank: number, dimension: number, displacement: number): Shift {
    if (!Number.isInteger(dimension) || dimension < 0 || dimension >= this.dims.length)
      throw new MpiError(
        'ERR_ARG',
        `${inWords(dimension)} is no dimension of this grid: it has ${this.dims.length}, counted from 0`,
      );
    if (!Number.isSafeInteger(displacement))
      throw new MpiError(
        'ERR_ARG',
        `the displacement ${inWords(displacement)} is no whole number of places`,
      );
    return {
      source: this.#moved(rank, dimension, -displacement),
      destination: this.#moved(rank, dimension, displacement),
    };
  }

  #moved(rank: number, dimension: number, by: number): number {
    const coords = this.coordsOf(rank);
    const size = this.dims[dimension];
    const place = coords[dimension] + by;
    if (!this.periodic[dimension] && (place < 0 || place >= size)) return PROC_NULL;
    coords[dimension] = modulo(coords[dimension] + modulo(by, size), size);
    return this.rankAt(coords);
  }

  /** Of each dimension the lower neighbour, then the higher one. */
  neighborhood(rank: number): Neighborhood {
    const ranks = this.dims.flatMap((_, dimension) => {
      const { source, destination } = this.shift(rank, dimension, 1);
      return [source, destination];
    });
    Object.freeze(ranks);
    // What a rank sends down comes to its neighbour from above.
    const order = ranks.map((_, i) => i ^ 1);
    return { sources: ranks, destinations: ranks, order };
  }

  /** The grid of the dimensions that are kept. */
  part(keep: readonly boolean[]): Grid {
    const isKept = (_: unknown, i: number) => keep[i];
    return new Grid(this.dims.filter(isKept), this.periodic.filter(isKept));
  }

  /** The ranks in the same part as one of them, in the order of that part. */
  ranksInPart(keep: readonly boolean[], rank: number): Int32Array {
    const part = this.part(keep);
    const coords = this.coordsOf(rank);
    return Int32Array.from({ length: part.size }, (_, its) => {
      const kept = part.coordsOf(its);
      return this.rankAt(coords.map((place, i) => (keep[i] ? (kept.shift() as number) : place)));
    });
  }

  /** For errors: `4 × 3, periodic along 0`. */
  toString(): string {
    const round = [...this.periodic.keys()].filter((i) => this.periodic[i]);
    const size = this.dims.length === 0 ? 'one place' : this.dims.join(' × ');
    return round.length === 0 ? size : `${size}, periodic along ${round.join(' ')}`;
  }
}

/** The remainder that is not negative. */
function modulo(value: number, size: number): number {
  return ((value % size) + size) % size;
}

/** @throws MpiError ERR_ARG where there is no such grid of these ranks */
export function gridOf(
  dims: readonly number[],
  periodic: boolean | readonly boolean[],
  ranks: number,
): Grid {
  checkList(dims, 'the dimensions of a grid');
  if (dims.length > GRID_DIMENSIONS_MAX)
    throw new MpiError(
      'ERR_ARG',
      `cart: there are ${dims.length} dimensions: a grid has up to ${GRID_DIMENSIONS_MAX}`,
    );
  const sizes = Array.from(dims);
  const bad = sizes.findIndex((size) => !Number.isSafeInteger(size) || size < 1);
  if (bad >= 0)
    throw new MpiError(
      'ERR_ARG',
      `cart: dimension ${bad} has the size ${inWords(sizes[bad])}: it must be a whole number from 1 on`,
    );
  const round =
    typeof periodic === 'boolean'
      ? sizes.map(() => periodic)
      : checkFlags('cart: periodic', periodic, sizes.length);
  const grid = new Grid(sizes, round);
  if (grid.size <= ranks) return grid;
  throw new MpiError(
    'ERR_ARG',
    `cart: a grid of ${sizes.join(' × ')} has ${grid.size} places, and this communicator ${ranks} ranks: dimsCreate(${ranks}, ${sizes.length}) gives sizes that fit`,
  );
}

/** True or false, one for each dimension. @throws MpiError ERR_ARG */
export function checkFlags(
  what: string,
  flags: readonly boolean[],
  count: number,
): readonly boolean[] {
  const isFlag = (flag: unknown) => typeof flag === 'boolean';
  if (Array.isArray(flags) && flags.length === count && flags.every(isFlag)) return [...flags];
  throw new MpiError(
    'ERR_ARG',
    `${what} is ${inWords(flags)}: pass an array of true and false, one for each of ${count} dimensions`,
  );
}
