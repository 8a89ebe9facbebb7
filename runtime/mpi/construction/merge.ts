/** One communicator of both groups of an intercommunicator (MPI 4.1, 7.6.2). */
import { MpiError } from '../../base/error.ts';
import type { ContextPair } from '../../messaging/contexts/pair.ts';
import { allgatherNumbers } from '../collective/allgather.ts';
import type { Schedule } from '../collective/schedule.ts';
import type { Group } from '../group.ts';
import type { Endpoint } from '../point-to-point/endpoint.ts';
import { exchange } from '../point-to-point/sendrecv.ts';
import { type Agreed, checkSerials, giveBack, reserve, serialOf } from './agreement.ts';
import { bytesOf, throughLeader } from './leaders.ts';

/** Whether a group comes last, where its ranks do not say the same. */
const DIVIDED = -1;

/**
 * @param inter to the other group
 * @param local within this one
 */
export function* merge(
  inter: Endpoint,
  local: Endpoint,
  group: Group,
  remote: Group,
  tag: number,
  high: boolean,
): Schedule<Agreed> {
  const { engine } = inter;
  const pair = reserve(engine);
  try {
    const mine = Float64Array.of(serialOf(pair), high ? 1 : 0);
    const said = yield* allgatherNumbers(local, tag, mine);
    const sides = said.filter((_, i) => i % 2 === 1);
    const side = sides.every((each) => each === sides[0]) ? sides[0] : DIVIDED;
    const ours = Float64Array.of(side, ...said.filter((_, i) => i % 2 === 0));
    const theirs = new Float64Array(1 + remote.size);
    yield* throughLeader(local, tag, 0, theirs, function* () {
      yield exchange(inter, bytesOf(ours), 0, bytesOf(theirs), 0, tag);
    });
    const first = comesFirst(side, theirs[0], group, remote);
    const [low, up] = first ? [group, remote] : [remote, group];
    const [lowWords, upWords] = first ? [ours, theirs] : [theirs, ours];
    const serials = Float64Array.of(...lowWords.subarray(1), ...upWords.subarray(1));
    const all = low.union(up);
    checkSerials(serials, all, all.rank);
    (pair as ContextPair).join(all, serials);
    return { pair: pair as ContextPair, group: all };
  } catch (error) {
    giveBack(engine, pair);
    throw error;
  }
}

/** Where both sides say the same, the one with the lower first rank does. @throws MpiError ERR_ARG */
function comesFirst(ours: number, theirs: number, group: Group, remote: Group): boolean {
  if (ours === DIVIDED || theirs === DIVIDED)
    throw new MpiError(
      'ERR_ARG',
      `merge: the ranks of ${ours === DIVIDED ? 'this' : 'the other'} group do not all pass the same value: it says whether the whole group comes last`,
    );
  return ours === theirs ? group.worldOf(0) < remote.worldOf(0) : ours < theirs;
}
