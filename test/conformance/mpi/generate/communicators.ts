/** Communicators at random, and the lines that make them. */
import type { Random } from '../../../tools/random.ts';

/** A communicator of the schedule: the groups that its split has made, as ranks of the world. */
export interface Comm {
  slot: number;
  groups: readonly (readonly number[])[];
}

/** All communicators that a seed makes, and the lines that make them. */
export function makeComms(random: Random, ranks: number): { comms: Comm[]; lines: string[] } {
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

/** Two groups of the world and the intercommunicator between them, in the slots behind those of {@link makeComms}. */
export function connectGroups(random: Random, ranks: number) {
  const [local, slot] = [3, 4];
  const first = 1 + random.below(ranks - 1);
  const all = Array.from({ length: ranks }, (_, rank) => rank);
  const chosen = new Set<number>();
  while (chosen.size < first) chosen.add(random.below(ranks));
  const groups = [all.filter((rank) => chosen.has(rank)), all.filter((rank) => !chosen.has(rank))];
  const leaders = groups.map(({ length }) => random.below(length));
  const lines = groups.flatMap((group, side) =>
    group.flatMap((rank) => {
      const remote = groups[1 - side][leaders[1 - side]];
      return [
        `${rank} split ${local} 0 ${side} 0`,
        `${rank} inter ${slot} ${local} ${leaders[side]} 0 ${remote} 5`,
      ];
    }),
  );
  return { slot, groups, lines };
}
