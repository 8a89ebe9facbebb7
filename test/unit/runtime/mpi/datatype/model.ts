/** Layouts by the letter of the standard: a list of bytes, one by one. */
import type { Distribution } from '../../../../../runtime/mpi/datatype/distribution.ts';

export class Model {
  /** Where each byte lies, in the order in which they travel. */
  readonly at: readonly number[];
  readonly lower: number;
  readonly upper: number;

  constructor(at: readonly number[], lower: number, upper: number) {
    this.at = at;
    this.lower = lower;
    this.upper = upper;
  }

  static of(width: number): Model {
    return new Model(
      Array.from({ length: width }, (_, i) => i),
      0,
      width,
    );
  }

  get extent(): number {
    return this.upper - this.lower;
  }

  /** Copies of layouts, each displaced by so many bytes: what every constructor of MPI is made of. */
  static copies(copies: readonly { of: Model; by: number }[]): Model {
    if (copies.length === 0) return new Model([], 0, 0);
    return new Model(
      copies.flatMap(({ of, by }) => of.at.map((at) => at + by)),
      Math.min(...copies.map(({ of, by }) => of.lower + by)),
      Math.max(...copies.map(({ of, by }) => of.upper + by)),
    );
  }

  blocks(lengths: readonly number[], bytes: readonly number[]): Model {
    return Model.copies(
      lengths.flatMap((length, i) =>
        Array.from({ length }, (_, j) => ({ of: this, by: bytes[i] + j * this.extent })),
      ),
    );
  }

  resized(lower: number, extent: number): Model {
    return new Model(this.at, lower, lower + extent);
  }

  /** Elements of an array that are taken: one list of indices for each dimension. */
  array(sizes: readonly number[], taken: readonly (readonly number[])[], order: 'C' | 'F'): Model {
    const dimensions = sizes.map((size, i) => ({ size, taken: taken[i] }));
    // The first of these runs fastest.
    if (order === 'C') dimensions.reverse();
    let places = [0];
    let step = 1;
    for (const { size, taken: indices } of dimensions) {
      const inner = places;
      const unit = step;
      places = indices.flatMap((index) => inner.map((place) => place + index * unit));
      step *= size;
    }
    const { at } = Model.copies(places.map((place) => ({ of: this, by: place * this.extent })));
    return new Model(at, 0, step * this.extent);
  }
}

/** The indices that process `place` of those along a dimension has. */
export function indicesOf({ size, kind, arg, processes }: Distribution, place: number): number[] {
  const piece =
    kind === 'none' ? size : (arg ?? (kind === 'block' ? Math.ceil(size / processes) : 1));
  const all = Array.from({ length: size }, (_, i) => i);
  return all.filter((i) => Math.floor(i / piece) % processes === place);
}
