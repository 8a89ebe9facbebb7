/**
 * Calls of a communicator that were made twice in a row. A program often makes the same call again, on the same arrays: then its
 * arguments are checked already, and what was made of them serves once more.
 */
import { bufferOf, isTypedArray, lengthOf, memoryLengthOf } from '../../base/bytes.ts';
import { IN_PLACE } from './arguments.ts';
import type { RepeatedCall } from './lines/repeated.ts';
import { Op } from './op.ts';
import type { Prepared } from './prepared.ts';

/** So many are kept: a program's loop may make a few calls in turn. */
const KEPT_MAX = 4;
/** Arrays in larger memory are not kept: that memory would live until other calls come. */
const MEMORY_MAX = 1024 * 1024;

type AnyArray = ArrayBufferView & { readonly length: number };

/** Whether it still means the same when it comes again. */
function staysTheSame(argument: unknown): boolean {
  if (isTypedArray(argument)) return memoryLengthOf(bufferOf(argument)) <= MEMORY_MAX;
  if (argument === undefined || argument === null || argument === IN_PLACE) return true;
  return typeof argument === 'number' || argument instanceof Op;
}

/** Elements of an array; 0 of what is none. */
function lengthOfArray(argument: unknown): number {
  return isTypedArray(argument) ? lengthOf(argument as AnyArray) : 0;
}

class KeptCall {
  /** Null: it serves no more. */
  #prepare: unknown = null;
  #a: unknown;
  #b: unknown;
  #c: unknown;
  #d: unknown;
  /** Of the arrays among the first two arguments: they may be detached, or shrink and grow. */
  #lengthOfA = 0;
  #lengthOfB = 0;
  prepared: Prepared<unknown> | null = null;
  repeated: RepeatedCall<unknown> | null = null;

  isSame(prepare: unknown, a: unknown, b: unknown, c: unknown, d: unknown): boolean {
    if (this.#prepare !== prepare || this.#a !== a || this.#b !== b) return false;
    if (this.#c !== c || this.#d !== d) return false;
    if (this.#lengthOfA > 0 && lengthOf(a as AnyArray) !== this.#lengthOfA) return false;
    return this.#lengthOfB === 0 || lengthOf(b as AnyArray) === this.#lengthOfB;
  }

  /** @returns false where it cannot be known again */
  note(prepare: unknown, a: unknown, b: unknown, c: unknown, d: unknown): boolean {
    this.#prepare = null;
    if (!staysTheSame(a) || !staysTheSame(b) || !staysTheSame(c) || !staysTheSame(d)) return false;
    const lengthOfA = lengthOfArray(a);
    const lengthOfB = lengthOfArray(b);
    // Of arrays without elements nobody could tell that they were detached.
    if (lengthOfA + lengthOfB === 0) return false;
    this.#prepare = prepare;
    this.#a = a;
    this.#b = b;
    this.#c = c;
    this.#d = d;
    this.#lengthOfA = lengthOfA;
    this.#lengthOfB = lengthOfB;
    return true;
  }
}

export class KeptCalls {
  readonly #repeatable: (prepared: Prepared<unknown>) => RepeatedCall<unknown> | null;
  readonly #kept: KeptCall[] = [];
  /** The next one to make room. */
  #turn = 0;
  /** The last call that is none of them. */
  #last = new KeptCall();

  /** @param repeatable the call as one that is made again; null where it cannot be */
  constructor(repeatable: (prepared: Prepared<unknown>) => RepeatedCall<unknown> | null) {
    this.#repeatable = repeatable;
  }

  /** @param prepare what makes a call of the arguments. @returns null where that has to be done */
  find(
    prepare: unknown,
    a: unknown,
    b: unknown,
    c: unknown,
    d: unknown,
  ): RepeatedCall<unknown> | null {
    const kept = this.#kept;
    for (let i = 0; i < kept.length; i++)
      if (kept[i].isSame(prepare, a, b, c, d)) return usable(kept[i]);
    return this.#last.isSame(prepare, a, b, c, d) ? usable(this.#keep()) : null;
  }

  /** The last one is kept from now on. */
  #keep(): KeptCall {
    const call = this.#last;
    call.repeated = this.#repeatable(call.prepared as Prepared<unknown>);
    call.prepared = null;
    this.#kept[this.#turn] = call;
    this.#turn = (this.#turn + 1) % KEPT_MAX;
    this.#last = new KeptCall();
    return call;
  }

  /** A call that is none of them is made. */
  note(
    prepared: Prepared<unknown>,
    prepare: unknown,
    a: unknown,
    b: unknown,
    c: unknown,
    d: unknown,
  ): void {
    const last = this.#last;
    last.prepared = null;
    if (!last.note(prepare, a, b, c, d)) return;
    // What is new memory each time is another call each time.
    const result = prepared.line?.result() ?? null;
    if (result === null || result === a || result === b) last.prepared = prepared;
    else last.note(null, null, null, null, null);
  }
}

function usable({ repeated }: KeptCall): RepeatedCall<unknown> | null {
  return repeated === null || repeated.refused ? null : repeated;
}
