/**
 * What the parts of a device share: its number in the addon, and the memory of work requests and
 * completions.
 */
import {
  ATTRIBUTE,
  COMPLETION_WORDS,
  COMPLETIONS,
  MAILBOX,
  RECEIVES,
  REQUEST,
  type VerbsAddon,
  verbs,
} from '../../../native/verbs.ts';
import { check } from '../../../runtime/base/error.ts';

/** An object that has work requests under way. */
export interface Completer {
  /** Stands in the high half of the id of each of its work requests. */
  tag: number;
  /** A request has completed: the low half of its id, and the completion's words at `at`. */
  complete(idLow: number, completion: Int32Array, at: number): void;
}

/**
 * Bits of a tag that are an index into {@link DeviceCore.completers}. The other bits tell reuse of an index
 * apart.
 */
const INDEX_BITS = 20;
const INDEX_MASK = (1 << INDEX_BITS) - 1;
const GENERATION_MASK = (1 << (31 - INDEX_BITS)) - 1;

export class DeviceCore {
  readonly name: string;
  readonly id: number;
  readonly native: VerbsAddon = verbs();
  /** The work request that {@link VerbsAddon.verbsPost} posts. */
  readonly request: Float64Array;
  readonly completions: Int32Array;
  /** [0]: how many receives wait to be posted; their slots follow in `receives`. */
  readonly receiveCount: Int32Array;
  readonly receives: Int32Array;
  /** For ibv_modify_qp and address handles. */
  readonly attributes = new Int32Array(ATTRIBUTE.words);
  closed = false;
  /** Index 0 is the shared receive queue's. */
  readonly #completers: (Completer | undefined)[] = [undefined];
  readonly #free: number[] = [];
  #generation = 0;

  constructor(name: string, id: number) {
    this.name = name;
    this.id = id;
    const mailbox = this.native.verbsMailbox(id);
    if (typeof mailbox === 'number') check(mailbox, 'mmap', name);
    const memory = mailbox as ArrayBuffer;
    this.request = new Float64Array(memory, MAILBOX.request, REQUEST.words);
    this.completions = new Int32Array(memory, MAILBOX.completions, COMPLETIONS * COMPLETION_WORDS);
    this.receiveCount = new Int32Array(memory, MAILBOX.receiveCount, 1);
    this.receives = new Int32Array(memory, MAILBOX.receives, RECEIVES);
  }

  /** Gives a tag to an object that will post. */
  enter(completer: Completer): void {
    const index = this.#free.pop() ?? this.#completers.push(undefined) - 1;
    this.#generation = (this.#generation + 1) & GENERATION_MASK;
    completer.tag = (this.#generation << INDEX_BITS) | index;
    this.#completers[index] = completer;
  }

  /** Completions that come after this belong to nobody. */
  leave(completer: Completer): void {
    const index = completer.tag & INDEX_MASK;
    if (this.#completers[index] !== completer) return;
    this.#completers[index] = undefined;
    this.#free.push(index);
  }

  find(tag: number): Completer | undefined {
    const completer = this.#completers[tag & INDEX_MASK];
    return completer?.tag === tag ? completer : undefined;
  }

  /** All that are there now. */
  all(): Completer[] {
    return this.#completers.filter((completer) => completer !== undefined);
  }
}
