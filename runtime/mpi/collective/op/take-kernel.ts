/** REPLACE and NO_OP: one of the two as it is (MPI 4.1, 12.3.4). */
import type { Elements } from '../../datatype/data.ts';
import { copyElements, type Kernel } from './kernel.ts';
import type { Kind } from './kinds.ts';

export class TakeKernel implements Kernel {
  readonly kind: Kind;
  readonly unit = 1;
  readonly exact = true;
  readonly #first: boolean;

  constructor(kind: Kind, first: boolean) {
    this.kind = kind;
    this.#first = first;
  }

  combine(
    out: Elements,
    outAt: number,
    a: Elements,
    aAt: number,
    b: Elements,
    bAt: number,
    count: number,
  ): void {
    if (this.#first) copyElements(out, outAt, a, aAt, count, this);
    else copyElements(out, outAt, b, bAt, count, this);
  }

  fold(
    out: Elements,
    outAt: number,
    sources: readonly Elements[],
    at: readonly number[],
    count: number,
  ): void {
    const taken = this.#first ? 0 : sources.length - 1;
    copyElements(out, outAt, sources[taken], at[taken], count, this);
  }

  finish(): void {}
}
