/**
 * The last blocking call of a communicator. A program often makes the same one again, on the same arrays: then its arguments are
 * checked already, and what was made of them serves once more.
 */
import { bufferOf, isTypedArray, lengthOf, memoryLengthOf } from '../../base/bytes.ts';
import { IN_PLACE } from './arguments.ts';
import { Op } from './op.ts';

/** Arrays in larger memory are not kept: that memory would live until another call comes. */
const MEMORY_MAX = 64 * 1024;

type AnyArray = ArrayBufferView & { readonly length: number };

/** Whatever a call may have as an argument and still be the same when it comes again. */
function staysTheSame(argument: unknown): boolean {
  if (isTypedArray(argument)) return memoryLengthOf(bufferOf(argument)) <= MEMORY_MAX;
  if (argument === undefined || argument === null || argument === IN_PLACE) return true;
  return typeof argument === 'number' || argument instanceof Op;
}

/** Elements of an array; 0 of what is none. */
function lengthOfArray(argument: unknown): number {
  return isTypedArray(argument) ? lengthOf(argument as AnyArray) : 0;
}

export class LastCall {
  #prepare: unknown = null;
  #a: unknown;
  #b: unknown;
  #c: unknown;
  #d: unknown;
  /** Of the arrays among the first two arguments: they may be detached, or shrink and grow. */
  #lengthOfA = 0;
  #lengthOfB = 0;

  /** @param prepare what makes a call of the arguments */
  isSame(prepare: unknown, a: unknown, b: unknown, c: unknown, d: unknown): boolean {
    if (this.#prepare !== prepare || this.#a !== a || this.#b !== b) return false;
    if (this.#c !== c || this.#d !== d) return false;
    if (this.#lengthOfA > 0 && lengthOf(a as AnyArray) !== this.#lengthOfA) return false;
    return this.#lengthOfB === 0 || lengthOf(b as AnyArray) === this.#lengthOfB;
  }

  /** @param result of the call: one that is new memory each time is another call each time */
  note(prepare: unknown, a: unknown, b: unknown, c: unknown, d: unknown, result: unknown): void {
    this.#prepare = null;
    if (result !== null && result !== a && result !== b) return;
    if (!staysTheSame(a) || !staysTheSame(b) || !staysTheSame(c) || !staysTheSame(d)) return;
    const lengthOfA = lengthOfArray(a);
    const lengthOfB = lengthOfArray(b);
    // Of arrays without elements nobody could tell that they were detached.
    if (lengthOfA + lengthOfB === 0) return;
    this.#prepare = prepare;
    this.#a = a;
    this.#b = b;
    this.#c = c;
    this.#d = d;
    this.#lengthOfA = lengthOfA;
    this.#lengthOfB = lengthOfB;
  }

  forget(): void {
    this.#prepare = null;
    this.#a = undefined;
    this.#b = undefined;
    this.#c = undefined;
    this.#d = undefined;
  }
}
