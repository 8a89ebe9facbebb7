/** Tests of ranks that are killed in the midst of a large message. */
import { expect, test } from 'vitest';
import { runJob } from './run.ts';

/** DREG_SINGLE_COPY, and whose memory it is: by get, by copy, and twice by share. */
export const PATHS = [
  ['always', 'own'],
  ['never', 'own'],
  ['never', 'shared'],
  ['never', 'heap'],
] as const;
export const NAMES = [
  'isend',
  'ssendSync',
  'claimed',
  'messages',
  'persistent',
  'partitioned',
  'objects',
  'loop over objects',
];

/** One start: who of the two dies, and after how long. */
export function testOfDeath(
  name: string,
  [singleCopy, memory]: readonly [string, string],
  victim: number,
  looks: number,
): void {
  const who = ['sender', 'receiver'][victim];
  test(`${name}, of ${memory} memory, single copy ${singleCopy}: the ${who} dies after ${looks} looks`, async () => {
    const job = await runJob('jobs/environment/programs/faults', {
      ranks: 3,
      words: [name, memory, String(victim), String(looks)],
      environment: {
        DREG_SINGLE_COPY: singleCopy,
        DREG_SHARED_HEAP: memory === 'heap' ? '1' : '0',
      },
    });
    expect(job).toMatchObject({ status: 137, signal: null, stdout: '', orphans: [], shared: [] });
    expect(job.stderr).toMatch(new RegExp(`^dregrun: rank ${victim} .*SIGKILL`, 'm'));
  });
}
