/** Operations that are functions of the program's own. */
import type { Elements } from '../../datatype/data.ts';
import { copyElements, type Kernel } from './kernel.ts';
import type { Kind } from './kinds.ts';
import { type Loop, makeUserLoop } from './loops.ts';

abstract class UserKernel implements Kernel {
  readonly kind: Kind;
  readonly unit: number;
  readonly exact = false;

  constructor(kind: Kind, unit: number) {
    this.kind = kind;
    this.unit = unit;
  }

  abstract combine(
    out: Elements,
    outAt: number,
    a: Elements,
    aAt: number,
    b: Elements,
    bAt: number,
    count: number,
  ): void;

  fold(
    out: Elements,
    outAt: number,
    sources: readonly Elements[],
    at: readonly number[],
    count: number,
  ): void {
    const soFar = this.kind.make(count);
    copyElements(soFar, 0, sources[0], at[0], count, this);
    for (let k = 1; k < sources.length; k++)
      this.combine(soFar, 0, soFar, 0, sources[k], at[k], count);
    copyElements(out, outAt, soFar, 0, count, this);
  }

  finish(): void {}
}

/** Of two elements. */
export class EachKernel extends UserKernel {
  readonly combine: Loop;

  constructor(combine: (incoming: never, inout: never) => unknown, kind: Kind) {
    super(kind, 1);
    this.combine = makeUserLoop(combine);
  }
}

/** Of arrays, the second of which takes the result. */
export class WholeKernel extends UserKernel {
  readonly #combine: (incoming: Elements, inout: Elements) => void;

  constructor(combine: (incoming: Elements, inout: Elements) => void, kind: Kind) {
    super(kind, Number.POSITIVE_INFINITY);
    this.#combine = combine;
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
    // The function may do what it likes with both: they are copies.
    const incoming = this.kind.make(count);
    const inout = this.kind.make(count);
    copyElements(incoming, 0, a, aAt, count, this);
    copyElements(inout, 0, b, bAt, count, this);
    this.#combine(incoming, inout);
    copyElements(out, outAt, inout, 0, count, this);
  }
}
