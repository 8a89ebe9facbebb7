/** First in, first out, at the same cost however many there are: an array's own `shift` moves all others. */
export class Queue<Item> {
  #items: (Item | undefined)[] = [];
  #first = 0;

  get length(): number {
    return this.#items.length - this.#first;
  }

  push(item: Item): void {
    this.#items.push(item);
  }

  /** The oldest one, which stays. */
  get first(): Item | undefined {
    return this.#items[this.#first];
  }

  shift(): Item | undefined {
    const items = this.#items;
    if (this.#first === items.length) return undefined;
    const item = items[this.#first];
    items[this.#first++] = undefined;
    if (this.#first === items.length) {
      items.length = 0;
      this.#first = 0;
    } else if (this.#first >= 64 && this.#first * 2 >= items.length) {
      this.#items = items.slice(this.#first);
      this.#first = 0;
    }
    return item;
  }

  /** Takes out one from the middle: a search from the front. */
  remove(item: Item): void {
    const at = this.#items.indexOf(item, this.#first);
    if (at === this.#first) this.shift();
    else if (at >= 0) this.#items.splice(at, 1);
  }

  /** Takes out all, oldest first. */
  takeAll(): Item[] {
    const items = this.#items.slice(this.#first) as Item[];
    this.#items = [];
    this.#first = 0;
    return items;
  }
}
