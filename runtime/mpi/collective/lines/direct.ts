/**
 * Operations whose ranks read each other's memory from where it lies. In the first round all say where that is. Where one cannot say so,
 * all lay their bytes down chunk by chunk, which is another operation, behind that round.
 */
import type { RemoteAccess } from '../../../../transports/transport.ts';
import type { Payload } from '../../datatype/data.ts';
import type { Signature } from '../signature.ts';
import { LINE } from './layout.ts';
import type { Lines } from './lines.ts';
import { PLACE_WORDS } from './members-memory.ts';
import { LineOperation } from './operation.ts';
import { ALL } from './slots.ts';

/** From so many bytes of an offer on the others read it from where it lies, if they can. */
export const DIRECT_MIN = 32 * 1024;

export abstract class DirectOperation extends LineOperation {
  protected readonly lines: Lines;
  readonly #inChunks: () => LineOperation;
  /** Null: memory is read where it lies. */
  #chunks: LineOperation | null = null;
  readonly #places: readonly (Payload | null | undefined)[];
  readonly #held: RemoteAccess[] = [];
  /** What each rank has said of its memory, in so many words. */
  readonly #said: Int32Array;
  readonly #told: number;

  /**
   * @param places what this rank offers; null where it offers nothing, undefined where nobody may read it
   * @param rounds in which memory is read, with the first one
   * @param inChunks makes the operation that lays down chunks, of at most `most` rounds
   */
  constructor(
    lines: Lines,
    signature: Signature,
    places: readonly (Payload | null | undefined)[],
    rounds: number,
    { most, make }: { readonly most: number; readonly make: () => LineOperation },
  ) {
    super(lines, signature);
    this.lines = lines;
    this.#inChunks = make;
    this.#places = places;
    this.#told = places.length * PLACE_WORDS;
    this.#said = new Int32Array(this.slots.size * this.#told);
    this.needsAreas = true;
    this.directRounds = rounds;
    this.rounds = Math.max(rounds, 1 + most);
  }

  readonly directRounds: number;

  /** All lines of a round are there, and memory is read where it lies. */
  protected abstract readAt(round: number): void;

  /** Whether a rank that waits no longer comes to its end without the program: others read its memory. */
  override abandon(): boolean {
    return super.abandon() && this.#chunks !== null;
  }

  write(round: number): void {
    const chunks = this.#chunks;
    if (chunks !== null) {
      chunks.write(round - 1);
      this.#follow(chunks);
    } else if (round === 0) this.#offer();
  }

  #offer(): void {
    const { memory } = this.lines;
    for (const [i, place] of this.#places.entries())
      memory.offer(this.#lineAt(this.slots.rank) + i * PLACE_WORDS, place, this.#held);
  }

  /** Where the line of a member says where its memory is. */
  #lineAt(member: number): number {
    return this.slots.lineAt(this.first, member) + LINE.payload;
  }

  /** The slot of the first round is used again before the last round is read. */
  #rememberPlaces(): void {
    const { words, size } = this.slots;
    for (let member = 0; member < size; member++)
      for (let word = 0; word < this.#told; word++)
        this.#said[member * this.#told + word] = words[this.#lineAt(member) + word];
  }

  /** Reads bytes of a member's memory. */
  protected copy(
    member: number,
    place: number,
    at: number,
    length: number,
    to: Payload,
    toAt: number,
  ): void {
    const where = member * this.#told + place * PLACE_WORDS;
    this.lines.memory.read(member, this.#said, where, at, length, to, toAt);
  }

  take(round: number): void {
    const chunks = this.#chunks;
    if (chunks !== null) {
      chunks.take(round - 1);
      this.#follow(chunks);
      return;
    }
    if (round === 0) {
      if (!this.#areReachable()) {
        this.#goInChunks();
        return;
      }
      this.#rememberPlaces();
      // Others begin a call with the rounds behind those that this one might have had.
      this.rounds = this.directRounds;
    }
    this.readAt(round);
    // Who gives up goes on with its memory: what was read meanwhile is nothing.
    if (round > 0) this.lines.checkNobodyGaveUp();
  }

  #areReachable(): boolean {
    const { memory } = this.lines;
    return this.#places.every((_, i) =>
      memory.areReachable(this.first, LINE.payload + i * PLACE_WORDS),
    );
  }

  #goInChunks(): void {
    this.#release();
    const chunks = this.#inChunks();
    this.#chunks = chunks;
    chunks.first = (this.first + 1) | 0;
    this.rounds = 1 + chunks.rounds;
    this.ahead = chunks.ahead;
    this.goOnWith(1);
    this.#follow(chunks);
  }

  #follow({ from, offers, outcome }: LineOperation): void {
    this.from = from;
    this.offers = offers;
    this.outcome = outcome;
  }

  #release(): void {
    this.lines.memory.takeBack(this.#held);
  }

  override enter(number: number): void {
    super.enter(number);
    this.from = ALL;
  }

  override end(...outcome: Parameters<LineOperation['end']>): void {
    this.#release();
    super.end(...outcome);
  }
}
