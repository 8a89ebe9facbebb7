/** How the ranks of a communicator agree about one that has a topology (MPI 4.1, 8.5). */

import { mismatch } from '../collective/mismatch.ts';
import type { Schedule } from '../collective/schedule.ts';
import { type Agreed, agree, NOT_WANTED } from '../construction/agreement.ts';
import type { Group } from '../group.ts';
import type { Endpoint } from '../point-to-point/endpoint.ts';

/**
 * Makes a communicator of ranks that this rank knows already. All ranks say the same words, which decide who comes together.
 * @param ranks null: this rank is in none
 */
export function* agreeAlike(
  parent: Endpoint,
  group: Group,
  tag: number,
  words: readonly number[],
  ranks: Int32Array | null,
): Schedule<Agreed | null> {
  const serial = ranks === null ? NOT_WANTED : null;
  return yield* agree(parent, group, tag, words, serial, (said, width) => {
    // The tag of the messages has but a digest of the words.
    for (let rank = 0; rank < group.size; rank++)
      if (words.some((word, i) => said[rank * width + 1 + i] !== word)) throw differ(parent, rank);
    return ranks;
  });
}

function differ({ name, engine, members }: Endpoint, rank: number) {
  const peer = members.worldOf(rank);
  return mismatch(
    `the ranks of ${name} do not make the same grid: rank ${peer} passes other dimensions than rank ${engine.rank}`,
    engine.rank,
    peer,
  );
}
