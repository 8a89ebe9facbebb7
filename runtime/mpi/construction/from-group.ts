/** A communicator of a group, from no other communicator (MPI 4.1, 7.4.2). */
import { MpiError } from '../../base/error.ts';
import type { Schedule } from '../collective/schedule.ts';
import { checkGroup, Group } from '../group.ts';
import { Endpoint } from '../point-to-point/endpoint.ts';
import { currentSession } from '../session.ts';
import { type Agreed, agreeByName } from './agreement.ts';
import * as check from './arguments.ts';
import { nameOf } from './names.ts';

/** @param make makes what the members have agreed upon; it is given the world's endpoint */
export function agreeFromGroup<C>(
  group: Group,
  tag: string,
  make: (world: Endpoint, agreed: Agreed) => C,
): { endpoint: Endpoint; schedule: Schedule<C> } {
  checkGroup(group);
  check.checkMember(group);
  check.checkTagString(tag);
  const current = currentSession();
  if (current === null)
    throw new MpiError('ERR_INTERNAL', 'a group exists before the job was joined');
  const { engine, session } = current;
  session.checkAlive();
  const { rank, size } = engine;
  const world = new Endpoint(engine, null, Group.ofWorld(rank, size), rank, session);
  const agreeing = agreeByName(engine, session, group, nameOf(['fromGroup', tag], group));
  const schedule = (function* (): Schedule<C> {
    return make(world, yield* agreeing);
  })();
  return { endpoint: world, schedule };
}
