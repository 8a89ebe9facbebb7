/** Memory that stays registered while its buffer lives (MPI.allocate). */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { ACCESS } from '../../../runtime/memory/domain.ts';
import type { Way } from './javascript.ts';
import type { Mover } from './mover.ts';
import { collectGarbage } from './scenarios.ts';

const LENGTH = 64 * 1024;
const PATIENCE_MS = 120_000;
const ALL = ACCESS.localWrite | ACCESS.remoteRead | ACCESS.remoteWrite;

async function kept(channel: Mover): Promise<void> {
  const { manager } = channel;
  const before = manager.stats();
  (() => {
    const buffer = new ArrayBuffer(4 * LENGTH);
    assert.ok(manager.keep(buffer, ALL));
    const view = new Uint8Array(buffer, LENGTH, LENGTH);
    for (let value = 1; value < 10; value++) {
      assert.ok(channel.send(view.fill(value)).every((byte) => byte === value));
      channel.receive(view.fill(0), new Uint8Array(LENGTH).fill(value));
      assert.ok(view.every((byte) => byte === value));
    }
    manager.flush();
  })();
  // Whatever the monitor: nothing else was registered.
  assert.equal(manager.stats().registrations, before.registrations + 1);
  const until = performance.now() + PATIENCE_MS;
  while (manager.stats().bytesPinned > before.bytesPinned) {
    assert.ok(performance.now() < until, 'kept memory stays pinned when its buffer is gone');
    collectGarbage();
    await sleep(1);
  }
}

export const KEPT: Way = {
  name: 'kept memory is registered once, until it is collected',
  run: kept,
};
