/** Schedules at random: text that schedule.ts and schedule.c run. */
import { Random } from '../../../tools/random.ts';
import { type Comm, makeComms } from './communicators.ts';
import { inOrder, rehearse } from './rehearse.ts';
import { Section } from './section.ts';

/** Tries with a shaken order, before one that is in order. */
const TRIES = 8;

function makeSection(random: Random, comms: readonly Comm[]): string[] {
  for (let attempt = 0; ; attempt++) {
    const { steps } = new Section(random, comms, attempt < TRIES);
    if (rehearse(steps)) return inOrder(steps).map(({ rank, words }) => `${rank} ${words}`);
    if (attempt > 10 * TRIES) throw new Error('no order of the steps comes to an end');
  }
}

/** Point-to-point communication at random, as a seed decides. */
export function pointToPointSchedule(seed: number, ranks: number): string[] {
  const random = new Random(seed);
  const lines = [`* seed ${seed}`];
  const made = makeComms(random, ranks);
  lines.push(...made.lines);
  for (let section = 0; section < 3; section++)
    lines.push(...makeSection(random, made.comms), '* barrier 0');
  for (const slot of [2, 1]) lines.push(`* free ${slot}`);
  return lines;
}
