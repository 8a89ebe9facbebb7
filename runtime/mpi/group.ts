/** Groups (MPI 4.1, 7.3.2): ranks in an order, as values. */
import { inWords } from '../base/bytes.ts';
import { PROC_NULL } from '../base/constants.ts';
import { MpiError } from '../base/error.ts';

/** How two groups relate: the same members in the same order, the same members, or neither. */
export type GroupComparison = 'same' | 'similar' | 'unequal';

/** Ranks `first`, `first + stride`, … as far as `last`, which is one of them or not. */
export type RankRange = readonly [first: number, last: number, stride: number];

/** An index of members by world rank may be so much longer than the group; a sparser group has a map. */
const SPARSE = 16;

/**
 * Processes in an order (MPI_Group; MPI 4.1, 7.2.1). A member's place is its rank in the group. A group
 * never changes, and is never freed. `comm.group` gives a communicator's group, and the operations here
 * make others from it. None of them communicates.
 *
 * A group iterates over its members, in order, by their ranks in `MPI.world`.
 */
export class Group implements Iterable<number> {
  /** How many members there are. */
  readonly size: number;
  /** World ranks in order; null: they are `#first`, `#first + #stride`, … */
  readonly #list: Int32Array | null;
  readonly #first: number;
  readonly #stride: number;
  /** This process's rank in the world. */
  readonly #self: number;
  /** Ranks by world rank less `#first`, and 1 for none of them; from the first question on. */
  #ranks: Int32Array | Map<number, number> | null = null;

  private constructor(
    self: number,
    size: number,
    first: number,
    stride: number,
    list: Int32Array | null,
  ) {
    this.#self = self;
    this.size = size;
    this.#first = first;
    this.#stride = stride;
    this.#list = list;
  }

  /** @internal The ranks 0..size-1 of the world. */
  static ofWorld(self: number, size: number): Group {
    return new Group(self, size, 0, 1, null);
  }

  /** @internal Ranks of the world, each of them once. */
  static of(self: number, worlds: Int32Array): Group {
    const size = worlds.length;
    const first = size === 0 ? 0 : worlds[0];
    const stride = size < 2 ? 1 : worlds[1] - first;
    for (let i = 2; i < size; i++)
      if (worlds[i] - worlds[i - 1] !== stride) {
        return new Group(self, size, lowest(worlds), 0, worlds);
      }
    return new Group(self, size, first, stride, null);
  }

  /** This process's rank in the group (MPI_Group_rank; MPI 4.1, 7.3.1); -1 where it is no member. */
  get rank(): number {
    return this.rankOf(this.#self);
  }

  /** @internal The rank in the world of a rank of the group. */
  worldOf(rank: number): number {
    return this.#list === null ? this.#first + rank * this.#stride : this.#list[rank];
  }

  /** @internal The rank in the group of a rank of the world; -1: it is no member. */
  rankOf(world: number): number {
    const away = world - this.#first;
    if (this.#list !== null) return this.#find(away);
    if (this.#stride === 1) return away >= 0 && away < this.size ? away : -1;
    const rank = away / this.#stride;
    // | 0: a backward range's first rank would be -0.
    return rank >= 0 && rank < this.size && Number.isInteger(rank) ? rank | 0 : -1;
  }

  #find(away: number): number {
    this.#ranks ??= this.#index(this.#list as Int32Array);
    const ranks = this.#ranks;
    if (ranks instanceof Map) return ranks.get(away) ?? -1;
    return away >= 0 && away < ranks.length ? ranks[away] - 1 : -1;
  }

  #index(list: Int32Array): Int32Array | Map<number, number> {
    const span = highest(list) - this.#first + 1;
    if (span > SPARSE * list.length)
      return new Map(Array.from(list, (world, rank) => [world - this.#first, rank]));
    const ranks = new Int32Array(span);
    for (let rank = 0; rank < list.length; rank++) ranks[list[rank] - this.#first] = rank + 1;
    return ranks;
  }

  /** @internal World ranks in order. */
  worlds(): Int32Array {
    if (this.#list !== null) return this.#list;
    const worlds = new Int32Array(this.size);
    for (let rank = 0; rank < worlds.length; rank++) worlds[rank] = this.worldOf(rank);
    return worlds;
  }

  /** The members, in order, by their ranks in `MPI.world`. */
  *[Symbol.iterator](): Generator<number, void, undefined> {
    for (let rank = 0; rank < this.size; rank++) yield this.worldOf(rank);
  }

  /**
   * All members of this group, then those of the other that are not in this one (MPI_Group_union; MPI 4.1, 7.3.2).
   * @throws MpiError ERR_ARG where `other` is no group
   */
  union(other: Group): Group {
    checkGroup(other);
    const more = other.#filter((world) => this.rankOf(world) < 0);
    if (more.length === 0) return this;
    const all = new Int32Array(this.size + more.length);
    all.set(this.worlds());
    all.set(more, this.size);
    return Group.of(this.#self, all);
  }

  /**
   * The members of this group that are in the other as well, in this one's order (MPI_Group_intersection; MPI 4.1, 7.3.2).
   * @throws MpiError ERR_ARG where `other` is no group
   */
  intersection(other: Group): Group {
    checkGroup(other);
    return this.#of(this.#filter((world) => other.rankOf(world) >= 0));
  }

  /**
   * The members of this group that are not in the other, in this one's order (MPI_Group_difference; MPI 4.1, 7.3.2).
   * @throws MpiError ERR_ARG where `other` is no group
   */
  difference(other: Group): Group {
    checkGroup(other);
    return this.#of(this.#filter((world) => other.rankOf(world) < 0));
  }

  /**
   * The members of these ranks, in the order of `ranks` (MPI_Group_incl; MPI 4.1, 7.3.2).
   * @throws MpiError ERR_RANK where one is no rank of the group, or is there twice; ERR_ARG where `ranks`
   *   is no list
   */
  incl(ranks: ArrayLike<number>): Group {
    return this.#pick(this.#distinct(ranks));
  }

  /**
   * The members of all other ranks, in this group's order (MPI_Group_excl; MPI 4.1, 7.3.2).
   * @throws MpiError as {@link incl}
   */
  excl(ranks: ArrayLike<number>): Group {
    return this.#without(this.#distinct(ranks));
  }

  /**
   * The members of the ranks in these ranges, in order (MPI_Group_range_incl; MPI 4.1, 7.3.2):
   * `world.group.rangeIncl([[0, 6, 2]])` has the ranks 0, 2, 4 and 6.
   * @param ranges of three integers each: first, last, stride; the stride may be negative
   * @throws MpiError ERR_RANK where one is no rank of the group, or is there twice; ERR_ARG where a range
   *   is none, or runs away from its end
   */
  rangeIncl(ranges: readonly RankRange[]): Group {
    return this.#pick(this.#distinct(this.#expand(ranges)));
  }

  /**
   * The members of all other ranks, in this group's order (MPI_Group_range_excl; MPI 4.1, 7.3.2).
   * @throws MpiError as {@link rangeIncl}
   */
  rangeExcl(ranges: readonly RankRange[]): Group {
    return this.#without(this.#distinct(this.#expand(ranges)));
  }

  /**
   * What ranks of this group are in another one (MPI_Group_translate_ranks; MPI 4.1, 7.3.1).
   * @returns for each its rank in `other`, or -1 where `other` lacks it; PROC_NULL stays what it is
   * @throws MpiError ERR_RANK where one is no rank of this group; ERR_ARG
   */
  translate(ranks: ArrayLike<number>, other: Group): Int32Array {
    checkGroup(other);
    const translated = new Int32Array(lengthOfList(ranks, 'ranks'));
    for (let i = 0; i < translated.length; i++) {
      const rank = ranks[i];
      if (rank === PROC_NULL) translated[i] = PROC_NULL;
      else translated[i] = other.rankOf(this.worldOf(this.#check(rank)));
    }
    return translated;
  }

  /**
   * Whether two groups have the same members in the same order ('same'), the same members ('similar'), or
   * others ('unequal') (MPI_Group_compare; MPI 4.1, 7.3.1).
   * @throws MpiError ERR_ARG where `other` is no group
   */
  compare(other: Group): GroupComparison {
    checkGroup(other);
    if (this === other) return 'same';
    if (this.size !== other.size) return 'unequal';
    let same = true;
    for (let rank = 0; rank < this.size; rank++) {
      const there = other.rankOf(this.worldOf(rank));
      if (there < 0) return 'unequal';
      if (there !== rank) same = false;
    }
    return same ? 'same' : 'similar';
  }

  #filter(wanted: (world: number) => boolean): Int32Array {
    const found = new Int32Array(this.size);
    let count = 0;
    for (let rank = 0; rank < this.size; rank++) {
      const world = this.worldOf(rank);
      if (wanted(world)) found[count++] = world;
    }
    return found.subarray(0, count);
  }

  /** A group of some of the members, in this one's order. */
  #of(worlds: Int32Array): Group {
    // A copy: the rest of the memory would live as long as the group.
    return worlds.length === this.size ? this : Group.of(this.#self, worlds.slice());
  }

  #pick(ranks: Int32Array): Group {
    return Group.of(
      this.#self,
      ranks.map((rank) => this.worldOf(rank)),
    );
  }

  #without(ranks: Int32Array): Group {
    const left = new Uint8Array(this.size);
    for (const rank of ranks) left[rank] = 1;
    let rank = 0;
    return this.#of(this.#filter(() => left[rank++] === 0));
  }

  /** The ranks of a list, read once. @throws MpiError ERR_RANK, ERR_ARG */
  #distinct(ranks: ArrayLike<number>): Int32Array {
    const count = lengthOfList(ranks, 'ranks');
    if (count > this.size) throw this.#tooMany(count);
    const list = new Int32Array(count);
    const seen = new Uint8Array(this.size);
    for (let i = 0; i < count; i++) {
      const rank = this.#check(ranks[i]);
      if (seen[rank] === 1)
        throw new MpiError(
          'ERR_RANK',
          `rank ${rank} is named twice: a group has each member once, so name it once`,
        );
      seen[rank] = 1;
      list[i] = rank;
    }
    return list;
  }

  #expand(ranges: readonly RankRange[]): Int32Array {
    const length = lengthOfList(ranges, 'ranges');
    // Bounded before anything is made: each range may say anything, and has one rank at least.
    if (length > this.size) throw this.#tooMany(length);
    const parts = Array.from({ length }, (_, i) => partsOf(ranges[i]));
    let count = 0;
    for (const part of parts) count += this.#countOf(part);
    if (count > this.size) throw this.#tooMany(count);
    const ranks = new Int32Array(count);
    let at = 0;
    for (const part of parts) {
      const [first, , stride] = part;
      for (let i = 0, n = this.#countOf(part); i < n; i++) ranks[at++] = first + i * stride;
    }
    return ranks;
  }

  /** How many ranks a range has. @throws MpiError where it leaves the group */
  #countOf([first, last, stride]: RankRange): number {
    const count = Math.floor((last - first) / stride) + 1;
    this.#check(first);
    this.#check(first + (count - 1) * stride);
    return count;
  }

  #check(rank: number): number {
    if (Number.isInteger(rank) && rank >= 0 && rank < this.size) return rank;
    const has = this.size === 0 ? 'it is empty' : `it has the ranks 0 to ${this.size - 1}`;
    throw new MpiError('ERR_RANK', `${inWords(rank)} is no rank of this group: ${has}`);
  }

  #tooMany(count: number): MpiError {
    return new MpiError(
      'ERR_RANK',
      `${count} ranks are named, and the group has ${this.size}: a group has each member once, so name each once`,
    );
  }
}

/** @throws MpiError ERR_ARG unless it is a group */
export function checkGroup(group: unknown): asserts group is Group {
  if (group instanceof Group) return;
  throw new MpiError(
    'ERR_ARG',
    `${inWords(group)} is no group: take a communicator's group (comm.group), or make one from it`,
  );
}

function lengthOfList(list: ArrayLike<unknown>, what: string): number {
  const length = typeof list === 'object' && list !== null ? list.length : undefined;
  if (typeof length === 'number' && Number.isSafeInteger(length) && length >= 0) return length;
  throw new MpiError('ERR_ARG', `${inWords(list)} is no list of ${what}: pass an array`);
}

function partsOf(range: RankRange): RankRange {
  if (!Array.isArray(range) || range.length !== 3 || !range.every(Number.isSafeInteger))
    throw new MpiError(
      'ERR_ARG',
      `${inWords(range)} is no range of ranks: pass [first, last, stride], three integers`,
    );
  const [first, last, stride] = range;
  if (stride !== 0 && (last - first) / stride >= 0) return [first, last, stride];
  throw new MpiError(
    'ERR_ARG',
    `the range from rank ${first} to ${last} never gets there by steps of ${stride}: the stride's sign is that of last - first, and never 0`,
  );
}

function lowest(list: Int32Array): number {
  let least = list[0];
  for (const each of list) if (each < least) least = each;
  return least;
}

function highest(list: Int32Array): number {
  let most = list[0];
  for (const each of list) if (each > most) most = each;
  return most;
}
