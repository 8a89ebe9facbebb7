/** A monitor, memory, and what is asked of them; all cases of the conformance suite play on it. */
import assert from 'node:assert/strict';
import { closeSync, readFileSync, writeFileSync } from 'node:fs';
import { addon } from '../../../native/addon.ts';
import type { Monitor } from '../../../runtime/memory/monitor.ts';
import {
  bytesAt,
  helpers,
  type MapOptions,
  map,
  ok,
  PAGE,
  SYS,
} from '../../tools/native/helpers.ts';

/** What a monitor that watches memory must do; `rows` are those of scenarios in docs/internals/testing.md. */
export interface Case {
  name: string;
  run(scene: Scene): void;
}

/** Thrown by a case that the machine cannot play. */
export class Missing extends Error {}

const HUGE_PAGES_FILE = '/proc/sys/vm/nr_hugepages';
export const HUGE = 2 * 2 ** 20;

/** For so long a flag may be on its way, with the busy word raised, before the test gives up. */
const PATIENCE_MS = 120_000;

export class Scene {
  readonly monitor: Monitor;
  readonly #mapped: [number, number][] = [];
  readonly #fds: number[] = [];
  readonly #undo: (() => void)[] = [];
  #slot = 0;

  constructor(monitor: Monitor) {
    this.monitor = monitor;
  }

  /** Whether the monitor sees what other processes do to files; the others refuse to watch them. */
  get seesFiles(): boolean {
    return this.monitor.name !== 'userfaultfd';
  }

  /** Memory that is unmapped when the case is over; its pages are there unless `untouched`. */
  map(length: number, options: MapOptions & { untouched?: boolean } = {}): number {
    const address = map(length, options);
    this.#mapped.push([address, length]);
    if (!options.untouched) bytesAt(address, length).fill(1);
    return address;
  }

  /** A file without a name. */
  memfd(length: number): number {
    const fd = ok(addon().segmentCreate('dreg-mpi-test', length));
    this.#fds.push(fd);
    return fd;
  }

  /** Takes huge pages from the machine for this case. @throws Missing where it has none. */
  hugePages(count: number): void {
    const before = readFileSync(HUGE_PAGES_FILE, 'utf8').trim();
    try {
      writeFileSync(HUGE_PAGES_FILE, String(Number(before) + count));
    } catch {
      throw new Missing(`this needs root, for ${HUGE_PAGES_FILE}`);
    }
    this.#undo.push(() => writeFileSync(HUGE_PAGES_FILE, before));
    if (Number(readFileSync(HUGE_PAGES_FILE, 'utf8')) < Number(before) + count)
      throw new Missing(`this needs ${count} huge pages`);
  }

  /** Watches a range under the next slot; answers the slot. */
  watch(address: number, length: number): number {
    const slot = this.#slot++;
    assert.equal(this.monitor.monitor(slot, address, length), 0, 'the range cannot be monitored');
    assert.equal(this.monitor.flags[slot], 0, 'the flag of a new range is set');
    return slot;
  }

  /** Tries to watch memory that this monitor must refuse. */
  refused(address: number, length: number): void {
    const slot = this.#slot++;
    assert.ok(this.monitor.monitor(slot, address, length) < 0, 'the range must be refused');
    assert.ok(this.monitor.unmonitor(slot) < 0, 'a refused slot must stay free');
  }

  /** Watches a range of a file where the monitor does, else checks that it refuses. */
  watchFile(address: number, length: number): number | undefined {
    if (this.seesFiles) return this.watch(address, length);
    this.refused(address, length);
    return undefined;
  }

  /** A flag is set when the call has returned, or the busy word is raised until it is. */
  settle(): void {
    const until = performance.now() + PATIENCE_MS;
    while (Atomics.load(this.monitor.header, this.monitor.busyIndex) !== 0)
      if (performance.now() > until) throw new Error('the busy word is never lowered');
  }

  fired(...slots: number[]): void {
    this.settle();
    for (const slot of slots) assert.equal(this.monitor.flags[slot], 1, `slot ${slot} must fire`);
  }

  quiet(...slots: number[]): void {
    this.settle();
    for (const slot of slots)
      assert.equal(this.monitor.flags[slot], 0, `slot ${slot} must not fire`);
  }

  get delta(): number {
    return Atomics.load(this.monitor.header, this.monitor.deltaIndex);
  }

  /** A system call that must work. */
  call(number: number, ...args: number[]): number {
    return ok(helpers().call(number, ...args));
  }

  unmap(address: number, length: number): void {
    this.call(SYS.munmap, address, length);
  }

  /** Where `pages` pages lie in memory that begins at `address`. */
  at(address: number, pages: number): number {
    return address + pages * PAGE;
  }

  end(): void {
    this.monitor.close();
    for (const [address, length] of this.#mapped) helpers().call(SYS.munmap, address, length);
    for (const fd of this.#fds) closeSync(fd);
    for (const undo of this.#undo) undo();
  }
}
