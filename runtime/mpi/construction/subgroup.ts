/** Communicators of a group that a program has put together (MPI 4.1, 7.4.2). */
import { MpiError } from '../../base/error.ts';
import type { Schedule } from '../collective/schedule.ts';
import type { Group } from '../group.ts';
import type { Endpoint } from '../point-to-point/endpoint.ts';
import { type Agreed, agree, NOT_WANTED } from './agreement.ts';
import { nameOf } from './names.ts';

/** All ranks of the parent take part; those whose group has them get the communicator of that group. */
export function* create(
  parent: Endpoint,
  group: Group,
  tag: number,
  wanted: Group,
): Schedule<Agreed | null> {
  const digest = digestOf(wanted);
  const mine = wanted.rank >= 0;
  const ranks = Int32Array.from(wanted, (world) => group.rankOf(world));
  return yield* agree(parent, group, tag, [digest], mine ? null : NOT_WANTED, (said, width) => {
    if (!mine) return null;
    const other = ranks.find((rank) => said[rank * width + 1] !== digest);
    if (other === undefined) return ranks;
    throw new MpiError(
      'ERR_ARG',
      `rank ${other} is in the group, and has called create with another group: all its members pass the same one`,
      { rank: parent.rank, peer: other },
    );
  });
}

/** As many bits of the group's name as a number holds. */
function digestOf(group: Group): number {
  const [low, high] = nameOf(['create'], group);
  return (low >>> 0) + (high & 0xfffff) * 2 ** 32;
}
