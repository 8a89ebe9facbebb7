import { inWords } from '../../base/bytes.ts';
import { ANY_SOURCE, ANY_TAG, PROC_NULL } from '../../base/constants.ts';
import { MpiError } from '../../base/error.ts';

/**
 * What elements of a message are: a typed array's constructor (`Float64Array`), or the width of an element
 * in bytes (MPI 4.1, 3.2.2).
 */
export type ElementType = { readonly BYTES_PER_ELEMENT: number } | number;

/** An element's width in bytes. @throws MpiError ERR_ARG where `type` has none */
export function widthOf(type: ElementType): number {
  const width = typeof type === 'number' ? type : type?.BYTES_PER_ELEMENT;
  if (Number.isSafeInteger(width) && width > 0) return width;
  throw new MpiError(
    'ERR_ARG',
    `${inWords(type)} is no element type: pass a typed array's constructor (Float64Array), or a width in bytes (8)`,
  );
}

/**
 * What a receive brought, or a probe found (MPI_Status; MPI 4.1, 3.2.5). A receive makes a status, or fills
 * the one that it is given: a loop that must not allocate keeps one and passes it each time.
 */
export class Status {
  /** The sender's rank in the communicator (MPI_SOURCE). */
  source = ANY_SOURCE;
  /** The message's tag (MPI_TAG). */
  tag = ANY_TAG;
  /** Bytes received. */
  byteLength = 0;
  #cancelled = false;

  /** @internal Of a receive that was taken back. */
  static ofCancelled(): Status {
    const status = new Status();
    status.#cancelled = true;
    return status;
  }

  /**
   * Whether the receive was taken back by `cancel()` (MPI_Test_cancelled; MPI 4.1, 3.8.4): then nothing
   * else here says anything.
   */
  get cancelled(): boolean {
    // A receive that fills it anew names a source.
    return this.#cancelled && this.source === ANY_SOURCE;
  }

  /**
   * How many elements were received (MPI_Get_count; MPI 4.1, 3.2.5).
   * @param type a typed array's constructor, such as `Float64Array`, or an element's width in bytes
   * @returns undefined where the bytes are no whole number of elements
   * @throws MpiError ERR_ARG where `type` has no width
   */
  count(type: ElementType): number | undefined {
    const count = this.byteLength / widthOf(type);
    return Number.isInteger(count) ? count : undefined;
  }

  /**
   * Makes it the status of a receive from {@link PROC_NULL} (MPI 4.1, 3.11): that source, {@link ANY_TAG},
   * no bytes.
   * @throws nothing
   */
  setNull(): this {
    this.source = PROC_NULL;
    this.tag = ANY_TAG;
    this.byteLength = 0;
    return this;
  }
}
