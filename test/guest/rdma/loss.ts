/** A port that goes down and a device that is removed, in mid-transfer. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { addon } from '../../../native/addon.ts';
import { type DeviceEvent, VerbsDevice } from '../../../transports/verbs/device/device.ts';
import type { Case } from '../cases.ts';
import type { Pair } from './pair.ts';
import { LENGTH, LOCAL_WRITE, REMOTE_READ, withPair } from './queue-pairs.ts';

/** READs on the left queue, one after the other, until one cannot be posted. */
class Stream {
  underWay = 0;
  done = 0;
  readonly #pair: Pair;
  readonly #local: { region: number; address: number; key: number };

  constructor(pair: Pair) {
    this.#pair = pair;
    this.#local = pair.register(new Uint8Array(LENGTH), LOCAL_WRITE | REMOTE_READ);
    this.#next();
    this.#next();
  }

  #next(): void {
    const { region, address, key } = this.#local;
    const answer = this.#pair.left.rdma('read', region, address, LENGTH, address, key, (result) => {
      this.underWay -= 1;
      if (result === LENGTH) this.done += 1;
      this.#next();
    });
    if (answer === 0) this.underWay += 1;
  }
}

/**
 * The kernel's software devices cannot be taken from who uses them: the removal waits until they
 * are closed. Others say that they are gone, and everything fails.
 */
async function removed(pair: Pair): Promise<void> {
  const stream = new Stream(pair);
  const removal = spawn('rdma', ['link', 'delete', 'rxe0'], { stdio: 'inherit' });
  let over = false;
  removal.once('exit', () => {
    over = true;
  });
  const turns = 20;
  for (let i = 0; i < turns && pair.device.alive; i++) {
    const { done } = stream;
    await pair.until('the transfers', () => stream.done > done || pair.left.failed);
    pair.device.takeEvent();
  }
  assert.ok(pair.device.alive !== pair.left.failed);
  console.log(`# removed at once: ${over}; alive: ${pair.device.alive}`);
  pair.close();
  assert.equal(stream.underWay, 0);
  while (!over) await new Promise((resolve) => setTimeout(resolve, 10));
  assert.throws(() => VerbsDevice.open(), /no RDMA device/);
}

async function down(pair: Pair): Promise<void> {
  const stream = new Stream(pair);
  assert.equal(spawnSync('ip', ['link', 'set', 'lo', 'down']).status, 0);
  let event: DeviceEvent | null = null;
  await pair.until('the event', () => {
    event = pair.device.takeEvent();
    return event?.kind === 'port';
  });
  assert.match(event!.error!.message, /port 1 is down/);
  assert.equal(addon().pollReadable(pair.device.asyncFd, 0), 0);
  pair.close();
  assert.equal(stream.underWay, 0);
  assert.throws(() => VerbsDevice.open(), /no RDMA port is active \(rxe0:1\)/);
  assert.equal(spawnSync('ip', ['link', 'set', 'lo', 'up']).status, 0);
}

/** They take the device away: the last ones. */
export const LOSS_CASES: Case[] = [
  withPair('the port goes down', down),
  withPair('the device is removed in mid-transfer', removed),
];
