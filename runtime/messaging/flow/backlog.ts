/**
 * Messages of one context that wait at their sender, in order. The first one leaves, or the first one of
 * a tag that the receiver asks for; either costs the same with one message and with a million.
 *
 * A request is its own link: a message that waits costs nothing beside it.
 */
import { ANY_TAG } from '../../base/constants.ts';
import { Queue } from '../../base/queue.ts';
import type { Operation } from '../operation.ts';

export class Backlog {
  /** The oldest message. */
  first: Operation | null = null;
  #last: Operation | null = null;
  /** The first of the messages that joined since the last look for sought patterns. */
  unseen: Operation | null = null;
  /** By tag, from the first search on. Most backlogs are never searched. */
  #tags: Map<number, Queue<Operation>> | null = null;

  add(request: Operation): void {
    const last = this.#last;
    request.next = null;
    request.previous = last;
    if (last === null) this.first = request;
    else last.next = request;
    this.#last = request;
    this.unseen ??= request;
    if (this.#tags !== null) this.#index(this.#tags, request);
  }

  #index(tags: Map<number, Queue<Operation>>, request: Operation): void {
    const ofTag = tags.get(request.tag) ?? new Queue();
    ofTag.push(request);
    tags.set(request.tag, ofTag);
  }

  /** The oldest message with a tag, or of all. */
  find(tag: number): Operation | null {
    const { first } = this;
    if (first === null || tag === ANY_TAG || first.tag === tag) return first;
    if (this.#tags === null) {
      const tags = new Map<number, Queue<Operation>>();
      for (let each: Operation | null = first; each !== null; each = nextOf(each))
        this.#index(tags, each);
      this.#tags = tags;
    }
    return this.#tags.get(tag)?.first ?? null;
  }

  /** Takes out a message that {@link first} or {@link find} gave. */
  remove(request: Operation): void {
    const next = nextOf(request);
    const previous = request.previous as Operation | null;
    if (previous === null) this.first = next;
    else previous.next = next;
    if (next === null) this.#last = previous;
    else next.previous = previous;
    if (this.unseen === request) this.unseen = next;
    if (this.#tags !== null) this.#forget(this.#tags, request);
    request.next = null;
    request.previous = null;
  }

  /**
   * It is the first message of its tag, because a message leaves as the first of all or as the first of its
   * tag.
   */
  #forget(tags: Map<number, Queue<Operation>>, { tag }: Operation): void {
    const ofTag = tags.get(tag);
    ofTag?.shift();
    if (ofTag?.length === 0) tags.delete(tag);
  }

  /** Takes out all, oldest first. */
  takeAll(): Operation[] {
    const all: Operation[] = [];
    while (this.first !== null) {
      all.push(this.first);
      this.remove(this.first);
    }
    return all;
  }
}

export function nextOf(request: Operation): Operation | null {
  return request.next as Operation | null;
}
