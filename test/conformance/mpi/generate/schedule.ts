/** Schedules at random: text that schedule.ts and schedule.c run. */
import { Random } from '../../../tools/random.ts';
import { inOrder, rehearse } from './rehearse.ts';
import { type Comm, Section } from './section.ts';

/** Tries with a shaken order, before one that is in order. */
const TRIES = 8;

/** All communicators that a seed makes, and the lines that make them. */
function makeComms(random: Random, ranks: number): { comms: Comm[]; lines: string[] } {
  const world = Array.from({ length: ranks }, (_, rank) => rank);
  const comms: Comm[] = [{ slot: 0, groups: [world] }];
  const lines: string[] = [];
  for (let slot = 1; slot <= 2; slot++) {
    const parent = random.pick(comms);
    const groups: number[][] = [];
    for (const group of parent.groups)
      groups.push(...makeGroups(random, slot, parent, group, lines));
    if (groups.length > 0) comms.push({ slot, groups });
  }
  return { comms, lines };
}

/** What one of a parent's groups makes. */
function makeGroups(
  random: Random,
  slot: number,
  parent: Comm,
  group: readonly number[],
  lines: string[],
): number[][] {
  const how = random.below(4);
  const say = (rank: number, words: string) => lines.push(`${rank} ${words}`);
  if (how === 0) {
    for (const rank of group) say(rank, `dup ${slot} ${parent.slot}`);
    return [[...group]];
  }
  if (how === 1) {
    const places = group
      .map((_, place) => place)
      .filter((place) => place === 0 || random.chance(0.6));
    if (random.chance(0.5)) places.reverse();
    for (const rank of group) say(rank, `create ${slot} ${parent.slot} ${places.join(' ')}`);
    return [places.map((place) => group[place])];
  }
  const chosen = group.map((rank) => ({
    rank,
    color: random.chance(0.15) ? -1 : random.below(2),
    key: random.below(3) - 1,
  }));
  for (const { rank, color, key } of chosen)
    say(rank, `split ${slot} ${parent.slot} ${color} ${key}`);
  return [0, 1]
    .map((shade) => chosen.filter(({ color }) => color === shade).sort((a, b) => a.key - b.key))
    .map((members) => members.map(({ rank }) => rank))
    .filter((members) => members.length > 0);
}

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
