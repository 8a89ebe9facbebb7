/** What quick.ts saw in its guest. It has run since `vitest` began, beside all other tests (test/tools/sequencer.ts). */
import { existsSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { deserialize } from 'node:v8';
import { guestsCanRun, resultTests } from './harness/bridge.ts';

const file = process.env.DREG_QUICK_RESULT as string;

if (guestsCanRun('one kernel')) {
  while (!existsSync(file)) {
    if (existsSync(`${file}.ended`))
      throw new Error('the guest of quick.ts ended without a result');
    await sleep(100);
  }
  resultTests('one kernel', deserialize(readFileSync(file)));
}
