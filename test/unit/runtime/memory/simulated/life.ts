/**
 * A random life of a program over the simulated world: buffers come and go, leases nest, memory
 * changes under them, calls fail. After each step the model and the manager must agree, and no
 * operation may ever have been posted on a stale registration.
 */
import assert from 'node:assert/strict';
import { MpiError } from '../../../../../runtime/base/error.ts';
import { ACCESS } from '../../../../../runtime/memory/domain.ts';
import type { Lease } from '../../../../../runtime/memory/lease.ts';
import type { Random } from '../../../../tools/random.ts';
import { ENOMEM, ENOSPC } from './domain.ts';
import type { Promptness } from './monitor.ts';
import { PAGE } from './space.ts';
import { World, type WorldOptions } from './world.ts';

/** Pages of the arena: few, so that addresses are used again and ranges meet. */
const PAGES = 40;
const BUFFER_PAGES_MAX = 6;

interface Held {
  lease: Lease;
  underWay: number;
}

interface Owned {
  buffer: ArrayBuffer;
  page: number;
  pages: number;
  leases: Held[];
}

export class Life {
  readonly world: World;
  readonly #random: Random;
  readonly #owned: Owned[] = [];
  /** Leases of buffers that were transferred away. */
  readonly #orphans: Held[] = [];
  /** The page of the buffer that was freed last. */
  #freed: number | undefined;
  readonly #promptness: Promptness;
  readonly #failing: boolean;

  constructor(random: Random, options: WorldOptions & { failing?: boolean }) {
    this.world = new World({ deferred: true, ...options });
    this.#random = random;
    this.#promptness = options.promptness ?? 'prompt';
    this.#failing = options.failing ?? false;
    this.world.domain.onRegister = (start, end) => {
      if (this.#renewable && random.chance(0.05)) this.world.space.renew(start, end);
    };
  }

  /** Whether memory may change under a living buffer: a change that nobody fences is not seen. */
  get #renewable(): boolean {
    if (this.#promptness === 'unfenced') return false;
    return this.#promptness !== 'pending' || this.world.monitor.fenceAlways;
  }

  step(): void {
    const steps = [
      () => this.#allocate(),
      () => this.#allocate(),
      () => this.#free(),
      () => this.#lease(),
      () => this.#lease(),
      () => this.#lease(),
      () => this.#post(),
      () => this.#post(),
      () => this.#post(),
      () => this.#release(),
      () => this.#release(),
      () => this.#renew(),
      () => this.#transfer(),
      () => this.world.domain.complete(),
      () => this.#random.chance(0.3) && this.world.monitor.step(),
      () => this.#random.chance(0.2) && this.world.manager.flush(),
      () => this.#fail(),
    ];
    this.#random.pick(steps)();
    this.#check();
  }

  /** Ends everything; then nothing may be left. */
  end(): void {
    const { domain, monitor, manager } = this.world;
    domain.onRegister = undefined;
    domain.failures.length = 0;
    monitor.failures.length = 0;
    domain.complete();
    for (const { leases } of this.#owned) for (const { lease } of leases) lease.release();
    for (const { lease } of this.#orphans) lease.release();
    for (const { page, pages } of this.#owned) this.world.unmap(page, page + pages);
    monitor.step();
    manager.flush();
    assert.equal(manager.stats().leases, 0);
    assert.equal(manager.stats().regionsIdle, 0);
    manager.close();
    this.#check();
    assert.equal(domain.pinned, 0);
    assert.equal(monitor.watched, 0);
  }

  #check(): void {
    const { domain, manager } = this.world;
    const stats = manager.stats();
    assert.equal(domain.stale, 0, 'an operation on a stale registration');
    assert.equal(stats.bytesPinned, domain.pinned);
    assert.equal(stats.regions, domain.registrations.length);
    assert.ok(stats.bytesPinned <= stats.bytesLimit, 'more pinned than the budget');
    assert.ok(stats.regions <= stats.regionsLimit, 'more regions than the budget');
    assert.equal(stats.audit!.checks, stats.audit!.posts + stats.audit!.refused);
    assert.equal(stats.audit!.posts, domain.posts);
  }

  #allocate(): void {
    const pages = 1 + this.#random.below(BUFFER_PAGES_MAX);
    // As allocators do: what was freed last is used first.
    const again = this.#random.chance(0.6) ? this.#freed : undefined;
    const page = again ?? this.#random.below(PAGES - pages);
    if (page + pages > PAGES) return;
    if (this.#owned.some((other) => other.page < page + pages && page < other.page + other.pages))
      return;
    const offset = this.#random.chance(0.5) ? 0 : 16 * (1 + this.#random.below(100));
    const bytes = pages * PAGE - offset - this.#random.below(PAGE - 1 - offset);
    this.#owned.push({ buffer: this.world.buffer(page, bytes, offset), page, pages, leases: [] });
  }

  #free(): void {
    const free = this.#owned.findIndex(({ leases }) => leases.length === 0);
    if (free < 0) return;
    const [{ page, pages }] = this.#owned.splice(free, 1);
    this.world.unmap(page, page + pages);
    this.#freed = page;
  }

  #lease(): void {
    if (this.#owned.length === 0) return;
    const newest = this.#owned[this.#owned.length - 1];
    const owned = this.#random.chance(0.3) ? newest : this.#random.pick(this.#owned);
    const offset = this.#random.chance(0.5) ? 0 : this.#random.below(owned.buffer.byteLength);
    const most = owned.buffer.byteLength - offset;
    const length = this.#random.chance(0.5) ? most : this.#random.below(most);
    const access = this.#random.chance(0.3) ? ACCESS.localRead : ACCESS.localWrite;
    const lease = this.world.manager.acquire(new Uint8Array(owned.buffer, offset, length), access);
    owned.leases.push({ lease, underWay: 0 });
  }

  #post(): void {
    const held = this.#anyLease();
    if (!held) return;
    const { lease } = held;
    const here = lease.view!.byteLength === lease.byteLength && lease.byteLength > 0;
    const offset = this.#random.below(Math.max(1, lease.byteLength));
    const length = 1 + this.#random.below(Math.max(1, lease.byteLength - offset));
    const into = lease.access === ACCESS.localWrite && this.#random.chance(0.5);
    try {
      const answer = this.world.manager.post(
        {
          direction: into ? 'in' : 'out',
          wire: new Uint8Array(length),
          done: (result) => {
            assert.ok(result === length || !this.#sound(held), `${result} of ${length} bytes`);
            held.underWay -= 1;
          },
        },
        lease,
        offset,
        length,
      );
      assert.ok(here, 'an operation on a buffer that is gone');
      if (answer >= 0) held.underWay += 1;
    } catch (error) {
      if (!(error instanceof MpiError)) throw error;
      assert.ok(!here, `${error.code} unexpected`);
    }
  }

  /** Whether the buffer of a lease is still there: only then all its bytes must move. */
  #sound({ lease }: Held): boolean {
    return lease.view?.byteLength === lease.byteLength;
  }

  #release(): void {
    const held = this.#anyLease();
    if (!held || held.underWay > 0) return;
    held.lease.release();
    for (const list of [this.#orphans, ...this.#owned.map(({ leases }) => leases)])
      if (list.includes(held)) list.splice(list.indexOf(held), 1);
  }

  #renew(): void {
    if (!this.#renewable || this.#owned.length === 0) return;
    const { page, pages } = this.#random.pick(this.#owned);
    const from = page + this.#random.below(pages);
    this.world.renew(from, from + 1 + this.#random.below(page + pages - from));
  }

  /** The buffer is transferred: another object has its memory, at the same address. */
  #transfer(): void {
    if (this.#owned.length === 0) return;
    const owned = this.#random.pick(this.#owned);
    const address = this.world.space.addressOf(new Uint8Array(owned.buffer));
    owned.buffer = structuredClone(owned.buffer, { transfer: [owned.buffer] });
    this.world.space.place(owned.buffer, address);
    this.#orphans.push(...owned.leases.splice(0));
  }

  #fail(): void {
    if (!this.#failing) return;
    const { domain, monitor } = this.world;
    if (this.#random.chance(0.5)) domain.failures.push(0, -ENOMEM);
    else monitor.failures.push(0, -ENOSPC);
  }

  #anyLease(): Held | undefined {
    const all = [...this.#orphans, ...this.#owned.flatMap(({ leases }) => leases)];
    return all.length === 0 ? undefined : this.#random.pick(all);
  }
}
