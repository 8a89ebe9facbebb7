/** The order in which registrations were used: the least recently used one goes first. */
import { NO_SLOT } from './region.ts';

/** Slots that a {@link UseOrder} has room for at first; it grows as they are used. */
const SLOTS_FIRST = 256;
/** Links of a slot: the one used before it and the one used after it. */
const OLDER = 0;
const NEWER = 1;
/** In place of a link: the slot is not in the order. */
const ABSENT = -2;

/**
 * The slots of cached regions in the order of their last use. A region that is leased again keeps its place
 * until the lease ends. So a region that alone is leased again and again costs nothing. The links lie in
 * one array, not in the regions: moving one touches no objects of the others.
 */
export class UseOrder {
  #links = new Int32Array(SLOTS_FIRST * 2).fill(ABSENT);
  #oldest = NO_SLOT;
  #newest = NO_SLOT;

  /** NO_SLOT where there is none. */
  get oldest(): number {
    return this.#oldest;
  }

  /** The slot was used just now. */
  use(slot: number): void {
    if (slot !== this.#newest) this.#append(slot);
  }

  /** Takes a slot out, if it is there. */
  remove(slot: number): void {
    const links = this.#links;
    const older = links[slot * 2 + OLDER];
    if (older === ABSENT || older === undefined) return;
    const newer = links[slot * 2 + NEWER];
    if (older === NO_SLOT) this.#oldest = newer;
    else links[older * 2 + NEWER] = newer;
    if (newer === NO_SLOT) this.#newest = older;
    else links[newer * 2 + OLDER] = older;
    links[slot * 2 + OLDER] = ABSENT;
  }

  #append(slot: number): void {
    if (slot * 2 >= this.#links.length) this.#grow(slot);
    this.remove(slot);
    const links = this.#links;
    const newest = this.#newest;
    links[slot * 2 + OLDER] = newest;
    links[slot * 2 + NEWER] = NO_SLOT;
    if (newest === NO_SLOT) this.#oldest = slot;
    else links[newest * 2 + NEWER] = slot;
    this.#newest = slot;
  }

  #grow(slot: number): void {
    let length = this.#links.length;
    while (length <= slot * 2) length *= 2;
    const larger = new Int32Array(length).fill(ABSENT, this.#links.length);
    larger.set(this.#links);
    this.#links = larger;
  }
}
