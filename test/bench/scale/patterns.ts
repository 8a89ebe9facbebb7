/** Who talks to whom. A connection is made once for a pair, whoever of the two sends first. */

export interface Pattern {
  name: string;
  /** What it stands for. */
  says: string;
  /** Peers that a rank has, at most and on average; without making the pairs. */
  peers(ranks: number): { most: number; mean: number };
  /** Calls `meet` once for each pair; the first rank of the two sends first, or both do. */
  pairs(ranks: number, meet: (from: number, to: number, both: boolean) => void): void;
}

/** Peers that a rank of the random pattern chooses; as many others choose it, on average. */
export const RANDOM_CHOICES = 8;

/** The factors of a grid of so many dimensions that is as cubic as the number of ranks allows. */
export function gridOf(ranks: number, dimensions: number): number[] {
  const sides: number[] = [];
  let rest = ranks;
  for (let left = dimensions; left > 0; left--) {
    let side = Math.max(1, Math.round(rest ** (1 / left)));
    while (rest % side !== 0) side--;
    sides.push(side);
    rest /= side;
  }
  return sides;
}

/** Neighbours along each axis of a periodic grid, as a stencil code exchanges its borders with. */
function halo(dimensions: number): Pattern {
  const degree = (side: number) => (side > 2 ? 2 : side - 1);
  return {
    name: `halo${dimensions}d`,
    says: `neighbours in ${dimensions} dimensions, periodic`,
    peers(ranks) {
      const most = gridOf(ranks, dimensions).reduce((sum, side) => sum + degree(side), 0);
      return { most, mean: most };
    },
    pairs(ranks, meet) {
      let stride = 1;
      for (const side of gridOf(ranks, dimensions)) {
        for (let rank = 0; rank < ranks; rank++) {
          const place = Math.floor(rank / stride) % side;
          // In a ring of two the next one and the previous one are the same.
          if (side === 1 || (side === 2 && place === 1)) continue;
          const next = place + 1 === side ? rank - place * stride : rank + stride;
          meet(rank, next, true);
        }
        stride *= side;
      }
    },
  };
}

/** A binomial tree, in which a broadcast goes from rank 0 to all. */
const tree: Pattern = {
  name: 'tree',
  says: 'a binomial tree, as a broadcast uses it',
  peers: (ranks) => ({
    most: Math.ceil(Math.log2(ranks)),
    mean: (2 * (ranks - 1)) / ranks,
  }),
  pairs(ranks, meet) {
    // A rank's parent is the rank without its lowest bit.
    for (let rank = 1; rank < ranks; rank++) meet(rank - (rank & -rank), rank, false);
  },
};

const random: Pattern = {
  name: 'random',
  says: `each rank sends to ${RANDOM_CHOICES} others, chosen at random`,
  peers(ranks) {
    const choices = Math.min(RANDOM_CHOICES, ranks - 1);
    // Of being chosen: Poisson; its tail beyond this is rarer than one rank in a hundred million.
    const mean = choices * (2 - choices / (ranks - 1));
    const most = Math.min(ranks - 1, choices + Math.ceil(choices + 7 * Math.sqrt(choices)));
    return { most, mean };
  },
  pairs(ranks, meet) {
    const chance = generator(ranks);
    const choices = Math.min(RANDOM_CHOICES, ranks - 1);
    const seen = new Set<number>();
    for (let rank = 0; rank < ranks; rank++) {
      const mine = new Set<number>();
      while (mine.size < choices) {
        const peer = Math.floor(chance() * ranks);
        if (peer === rank || mine.has(peer)) continue;
        mine.add(peer);
        const pair = Math.min(rank, peer) * ranks + Math.max(rank, peer);
        if (!seen.has(pair)) meet(rank, peer, false);
        seen.add(pair);
      }
    }
  },
};

const all: Pattern = {
  name: 'all',
  says: 'everybody with everybody',
  peers: (ranks) => ({ most: ranks - 1, mean: ranks - 1 }),
  pairs(ranks, meet) {
    for (let rank = 0; rank < ranks; rank++)
      for (let peer = rank + 1; peer < ranks; peer++) meet(rank, peer, true);
  },
};

export const PATTERNS: readonly Pattern[] = [
  { ...halo(1), name: 'ring', says: 'the next and the previous rank' },
  halo(2),
  halo(3),
  tree,
  random,
  all,
];

/** Numbers in [0, 1), the same for the same seed (a Weyl sequence through a mixing function). */
export function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e37_79b9) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x85eb_ca6b);
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2_ae35);
    return ((mixed ^ (mixed >>> 16)) >>> 0) / 2 ** 32;
  };
}
