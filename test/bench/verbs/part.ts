/** What dreg takes part in a transfer with: the look at user_delta, and the calls of a miss. Prints {@link Part}. */

import { addon } from '../../../native/addon.ts';
import { RegistrationCache } from '../../../runtime/memory/cache.ts';
import { Counters } from '../../../runtime/memory/counters.ts';
import { openMonitor } from '../../../runtime/memory/monitors/open.ts';
import { FreeDomain } from '../memory/free.ts';
import { inTurn, nanoseconds } from '../memory/timing.ts';
import { CACHED_BYTES, type Part } from './measures.ts';

const LOOKS = 500_000;
const ROUNDS = 200;
const WARM_UPS = 500;
const PAGE = 4096;

/** Over the pages that dreg.ko itself shows. */
function look(): number {
  const budget = { bytes: 0, regions: 0, source: '', fix: '' };
  const port = new FreeDomain().attach();
  const cache = new RegistrationCache(openMonitor('dreg'), port, budget, new Counters(), () => {});
  let sum = 0;
  const [empty, looking] = nanoseconds(
    LOOKS,
    (count) => {
      for (let i = 0; i < count; i++) sum ^= i;
    },
    (count) => {
      for (let i = 0; i < count; i++) {
        sum ^= i;
        cache.look();
      }
    },
  );
  cache.close();
  if (!Number.isInteger(sum)) throw new Error('nothing was counted');
  return looking - empty;
}

function monitoring(bytes: number): number {
  const monitor = openMonitor('dreg');
  const view = new Uint8Array(bytes + PAGE).fill(1);
  const address = addon().addressOf(view);
  const start = Math.ceil(address / PAGE) * PAGE;
  const [both] = inTurn(
    ROUNDS,
    [
      () => {
        if (monitor.monitor(0, start, bytes) < 0) throw new Error('MONITOR failed');
        monitor.unmonitor(0);
      },
    ],
    WARM_UPS,
  );
  monitor.close();
  return both;
}

const part: Part = {
  kind: 'part',
  look: look(),
  monitor: Object.fromEntries(CACHED_BYTES.map((bytes) => [bytes, monitoring(bytes)])),
};
console.log(JSON.stringify(part));
