/** What jobs about grids share: grids of every kind, and where their ranks stand, found without the library. */
import { type CartCommunicator, PROC_NULL } from '../../runtime/index.ts';
import { rank, size, world } from './ring.ts';

export interface Shape {
  dims: number[];
  periodic: boolean[];
}

const DIMS = [[], [1], [2], [7], [9], [2, 3], [3, 3], [1, 2, 1], [2, 2, 2]];

/** Those that have room for this job's ranks: each closed on no side, on every other one, and on all. */
export function shapes(): Shape[] {
  const fit = DIMS.filter((dims) => placesOf(dims) <= size);
  return fit.flatMap((dims) => [
    { dims, periodic: dims.map(() => false) },
    { dims, periodic: dims.map((_, i) => i % 2 === 0) },
    { dims, periodic: dims.map(() => true) },
  ]);
}

export const placesOf = (dims: readonly number[]) => dims.reduce((all, one) => all * one, 1);

/** All places of a grid, in the order of the ranks. */
export function places(dims: readonly number[]): number[][] {
  const [first, ...rest] = dims;
  if (first === undefined) return [[]];
  const behind = places(rest);
  return Array.from({ length: first }, (_, place) =>
    behind.map((others) => [place, ...others]),
  ).flat();
}

const nameOf = (coords: readonly number[]) => coords.join();

/** Who stands so far from a rank along a dimension. */
export function rankBeside(
  { dims, periodic }: Shape,
  from: number,
  dimension: number,
  by: number,
): number {
  const all = places(dims).map(nameOf);
  const coords = [...places(dims)[from]];
  const step = Math.sign(by);
  for (let left = Math.abs(by); left > 0; left--) {
    coords[dimension] += step;
    if (coords[dimension] < 0 && periodic[dimension]) coords[dimension] = dims[dimension] - 1;
    if (coords[dimension] === dims[dimension] && periodic[dimension]) coords[dimension] = 0;
  }
  const found = all.indexOf(nameOf(coords));
  return found < 0 ? PROC_NULL : found;
}

/** Of each dimension the lower neighbour, then the higher one. */
export function neighborsOf(shape: Shape, from: number): number[] {
  return shape.dims.flatMap((_, dimension) => [
    rankBeside(shape, from, dimension, -1),
    rankBeside(shape, from, dimension, 1),
  ]);
}

/** On a communicator of each grid; ranks beyond it do nothing. */
export async function onEachGrid(
  check: (cart: CartCommunicator, shape: Shape, what: string) => unknown,
): Promise<void> {
  for (const [i, shape] of shapes().entries()) {
    const { dims, periodic } = shape;
    const cart =
      (i + rank) % 2 === 0 ? await world.cart(dims, { periodic }) : world.cartSync(dims, shape);
    if (cart === null) continue;
    await check(cart, shape, `${dims.join('x')} ${periodic}`);
    cart.free();
  }
}
