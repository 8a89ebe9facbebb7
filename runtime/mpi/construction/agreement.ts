/**
 * How the members of a new communicator learn each other's serials (docs/internals/protocol.md#contexts): by one
 * exchange among the ranks of the communicator that it is made from, or among the members alone.
 */
import { MpiError } from '../../base/error.ts';
import type { ContextPair } from '../../messaging/contexts/pair.ts';
import { COMMUNICATORS_MAX } from '../../messaging/contexts/table.ts';
import type { Engine } from '../../messaging/engine.ts';
import { allgatherNumbers } from '../collective/allgather.ts';
import type { Schedule } from '../collective/schedule.ts';
import type { Group } from '../group.ts';
import { Endpoint } from '../point-to-point/endpoint.ts';
import type { Session } from '../session.ts';

/** In place of a serial: the rank wants no communicator, has no number left for one, or its program refuses. */
export const NOT_WANTED = 0;
export const NONE_LEFT = -1;
export const REFUSED = -2;

/** A communicator to come. */
export interface Agreed {
  readonly pair: ContextPair;
  readonly group: Group;
}

/** Contexts for a communicator to come; null where there are none left. */
export function reserve({ receiving }: Engine): ContextPair | null {
  return receiving.contexts.full ? null : receiving.contexts.begin();
}

/** What the others are told of it. */
export function serialOf(pair: ContextPair | null): number {
  return pair === null ? NONE_LEFT : pair.serial;
}

/** Gives back what was reserved. */
export function giveBack({ receiving }: Engine, pair: ContextPair | null): void {
  if (pair !== null) receiving.contexts.close(pair);
}

/** @throws MpiError where a member cannot have the communicator: then none has it */
export function checkSerials(serials: ArrayLike<number>, group: Group, rank: number): void {
  for (let member = 0; member < serials.length; member++) {
    const serial = serials[member];
    if (serial > NOT_WANTED) continue;
    const who = `rank ${group.worldOf(member)} of the world`;
    if (serial === NONE_LEFT)
      throw new MpiError(
        'ERR_NO_CONTEXT',
        `${who} has ${COMMUNICATORS_MAX} communicators, and no more: free there what is not needed (comm.free(), or using comm = …)`,
        { rank, peer: group.worldOf(member) },
      );
    if (serial === REFUSED)
      throw new MpiError(
        'ERR_PEER_FAILED',
        `${who} could not copy an attribute, so no rank duplicates the communicator: its own error says why`,
        { rank, peer: group.worldOf(member) },
      );
    throw new MpiError(
      'ERR_ARG',
      `${who} does not make the communicator that has it as a member: do all members pass the same group?`,
      { rank, peer: group.worldOf(member) },
    );
  }
}

/**
 * Makes a communicator of some ranks of another one, all of which take part.
 * @param words what a rank says, beside its serial, to all others
 * @param serial in place of one: NOT_WANTED, REFUSED
 * @param choose the new communicator's ranks, in order, from what all have said, of each its serial and its
 *   words; null: this rank is in none
 */
export function* agree(
  parent: Endpoint,
  group: Group,
  tag: number,
  words: readonly number[],
  serial: number | null,
  choose: (said: Float64Array, width: number) => Int32Array | null,
): Schedule<Agreed | null> {
  const { engine } = parent;
  const pair = serial === null ? reserve(engine) : null;
  try {
    const mine = Float64Array.of(serial ?? serialOf(pair), ...words);
    const said = yield* allgatherNumbers(parent, tag, mine);
    const ranks = choose(said, mine.length);
    if (ranks === null) return null;
    const members = ranks.length === group.size ? reordered(group, ranks) : group.incl(ranks);
    const serials = Float64Array.from(ranks, (rank) => said[rank * mine.length]);
    checkSerials(serials, members, parent.rank);
    (pair as ContextPair).join(members, serials);
    return { pair: pair as ContextPair, group: members };
  } catch (error) {
    giveBack(engine, pair);
    throw error;
  }
}

/** The same group where the order is the same: then it takes no memory. */
function reordered(group: Group, ranks: Int32Array): Group {
  return ranks.every((rank, place) => rank === place) ? group : group.incl(ranks);
}

/** Makes a communicator of a group whose members alone take part, under a name that they know. */
export function* agreeByName(
  engine: Engine,
  session: Session,
  group: Group,
  name: Int32Array,
): Schedule<Agreed> {
  const { contexts } = engine.receiving;
  // Who has none left has to tell the others: for that there are more.
  const full = contexts.full;
  const pair = contexts.beginNamed(name);
  try {
    pair.join(group, null);
    const endpoint = new Endpoint(engine, pair, group, group.rank, session);
    const mine = Float64Array.of(full ? NONE_LEFT : pair.serial);
    const serials = yield* allgatherNumbers(endpoint, 0, mine);
    checkSerials(serials, group, group.rank);
    pair.serials = serials;
    return { pair, group };
  } catch (error) {
    contexts.close(pair);
    throw error;
  } finally {
    contexts.forgetName(pair);
  }
}
