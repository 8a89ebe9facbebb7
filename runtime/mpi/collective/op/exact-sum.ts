/** SUM and AVG that do not depend on the order, nor on how many ranks there are. */
import { OPERATIONS, reduceAddon } from '../../../../native/reduce.ts';
import { MpiError } from '../../../base/error.ts';
import type { Elements } from '../../datatype/data.ts';
import { check, type Kernel, NativeKernel, spanOf } from './kernel.ts';
import type { Kind } from './kinds.ts';

export class ExactSum implements Kernel {
  readonly kind: Kind;
  readonly unit = 1;
  /** What is rounded twice is not exact. */
  readonly exact = false;
  readonly #usual: Kernel;

  private constructor(usual: Kernel) {
    this.kind = usual.kind;
    this.#usual = usual;
  }

  /**
   * In place of the usual sum; sums of whole numbers are exact anyhow.
   * @throws MpiError ERR_OP where the operation is no sum
   */
  static instead(kernel: Kernel): Kernel {
    if (!(kernel instanceof NativeKernel) || OPERATIONS[kernel.operation] !== 'SUM')
      throw new MpiError('ERR_OP', "reproducible: 'any size' is for SUM and AVG alone");
    return kernel.kind.float ? new ExactSum(kernel) : kernel;
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
    this.fold(out, outAt, [a, b], [aAt, bAt], count);
  }

  fold(
    out: Elements,
    outAt: number,
    sources: readonly Elements[],
    at: readonly number[],
    count: number,
  ): void {
    if (count === 0) return;
    const { kind } = this;
    const spans = sources.map((source) => spanOf(source, kind));
    const offsets = Float64Array.from(at, (place) => place * kind.bytes);
    const to = spanOf(out, kind);
    check(reduceAddon().exactSum(kind.type, count, to, outAt * kind.bytes, spans, offsets));
  }

  finish(out: Elements, at: number, count: number, ranks: number): void {
    this.#usual.finish(out, at, count, ranks);
  }
}
