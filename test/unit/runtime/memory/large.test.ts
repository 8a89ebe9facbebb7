/** Views that reach beyond 4 GiB: address space alone, of which the tests touch a few pages. */
import { readFileSync, readSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { addon } from '../../../../native/addon.ts';
import type { MpiError } from '../../../../runtime/base/error.ts';
import {
  UringDomain,
  type UringOperation,
  uringRead,
  uringWrite,
} from '../../../../runtime/memory/domains/uring.ts';
import { PinnedMemoryManager } from '../../../../runtime/memory/manager.ts';
import { openMonitor } from '../../../../runtime/memory/monitors/open.ts';
import { ok, PAGE } from '../../../tools/native/helpers.ts';
import { needUserfaultfdAndUring } from '../../../tools/needs.ts';

needUserfaultfdAndUring();

const GIB = 2 ** 30;
const BYTES = 4.5 * GIB;
const FEW = 5000;
/** Zeroed by being mapped, not by being written. */
const buffer = new ArrayBuffer(BYTES);
/** What a test may really use of it. */
const RSS_BYTES_MAX = GIB;

/** Offsets into the view: not at a page's beginning; over the border; its last bytes. */
const PLACES = [4 * GIB + 3 * PAGE + 1, 4 * GIB - FEW / 2, BYTES - FEW];

function statusOf(name: string): number {
  const text = readFileSync('/proc/self/status', 'utf8');
  return Number(new RegExp(`^${name}:\\s*(\\d+) kB`, 'm').exec(text)?.[1] ?? 0) * 1024;
}

describe.each(['userfaultfd', 'none'] as const)('%s', (name) => {
  let file: number;
  let manager: PinnedMemoryManager<UringOperation>;
  let before: { pinned: number; resident: number };

  beforeEach(() => {
    before = { pinned: statusOf('VmPin'), resident: statusOf('VmRSS') };
    file = ok(addon().segmentCreate('dreg-mpi-large', FEW));
    const domain = new UringDomain({ entries: 4 });
    manager = new PinnedMemoryManager({ monitor: openMonitor(name), domain, audit: true });
  });

  afterEach(async () => {
    manager.close();
    // A ring that is closed gives its pages back in a work queue of the kernel's.
    await expect.poll(() => statusOf('VmPin'), { timeout: 120_000 }).toBe(before.pinned);
    expect(statusOf('VmRSS') - before.resident).toBeLessThan(RSS_BYTES_MAX);
    ok(addon().closeFd(file));
  });

  /** Posts on a part of what is leased by a view. */
  async function move(view: ArrayBufferView, offset: number, into = false): Promise<number> {
    const lease = manager.acquire(view);
    const moved = await new Promise<number>((resolve) => {
      const operation = into ? uringRead(file, resolve, 0) : uringWrite(file, resolve, 0);
      const answer = manager.post(operation, lease, offset, FEW);
      if (answer < 0) resolve(answer);
    });
    lease.release();
    return moved;
  }

  /** Sends what lies at a place, receives it back there, and compares both times. */
  async function thereAndBack(view: ArrayBufferView, offset: number, place: number): Promise<void> {
    const bytes = new Uint8Array(buffer, place, FEW);
    const pattern = Uint8Array.from(bytes, (_, i) => i * 7 + place / PAGE);
    bytes.set(pattern);
    expect(await move(view, offset)).toBe(FEW);
    const copy = new Uint8Array(FEW);
    readSync(file, copy, 0, FEW, 0);
    expect(Buffer.compare(copy, pattern)).toBe(0);
    bytes.fill(0);
    expect(await move(view, offset, true)).toBe(FEW);
    expect(Buffer.compare(bytes, pattern)).toBe(0);
  }

  test('a few bytes beyond 4 GiB are registered alone, and are the right ones', async () => {
    for (const place of PLACES) await thereAndBack(new Uint8Array(buffer, place, FEW), 0, place);
    const { bytesPinnedMax, misses, uncached } = manager.stats();
    expect(bytesPinnedMax).toBeLessThanOrEqual(PLACES.length * 3 * PAGE);
    expect(misses + uncached).toBeGreaterThan(0);
  });

  test('the whole view is leased without one registration, and posted on in pieces', async () => {
    // As elements of 8 bytes: not every V8 has a Uint8Array of so many.
    const whole = new Float64Array(buffer);
    expect(whole.byteLength).toBe(BYTES);
    const lease = manager.acquire(whole);
    expect(lease).toMatchObject({ byteLength: BYTES, registered: false });
    lease.release();
    expect(manager.stats().bytesPinned).toBe(0);
    for (const place of PLACES) await thereAndBack(whole, place, place);
    expect(manager.stats().bytesPinnedMax).toBeLessThanOrEqual(PLACES.length * 3 * PAGE);
    const outside = expect.objectContaining({ code: 'ERR_COUNT' } satisfies Partial<MpiError>);
    await expect(move(whole, BYTES - FEW + 1)).rejects.toThrowError(outside);
  });

  test('it is not kept registered as a whole', () => {
    expect(manager.keep(buffer, 1)).toBeNull();
  });

  test('a DataView of so many bytes is leased, or refused with what to do', () => {
    const view = new DataView(buffer);
    try {
      manager.acquire(view).release();
    } catch (error) {
      expect(error).toMatchObject({
        code: 'ERR_BUFFER',
        message: expect.stringContaining('lease the memory by a typed array'),
      });
    }
  });
});
