/** Communicators of a group, from no other communicator (MPI 4.1, 7.4.2). */
import { MpiError } from '../../base/error.ts';
import type { Schedule } from '../collective/schedule.ts';
import { checkGroup, Group } from '../group.ts';
import { Endpoint } from '../point-to-point/endpoint.ts';
import { currentSession } from '../session.ts';
import { type Agreed, agreeByName } from './agreement.ts';
import * as check from './arguments.ts';
import { nameOf } from './names.ts';

/**
 * The members tell each other of it.
 * @param make makes it, once that is done
 * @returns also whose waits these are: there is no communicator yet
 * @throws MpiError ERR_ARG, ERR_RANK, ERR_TAG, ERR_FINALIZED
 */
export function ofGroup<C>(
  group: Group,
  tag: string,
  make: (endpoint: Endpoint, agreed: Agreed) => C,
): { endpoint: Endpoint; schedule: Schedule<C> } {
  checkGroup(group);
  check.checkMember(group);
  check.checkTagString(tag);
  const current = currentSession();
  if (current === null)
    throw new MpiError('ERR_INTERNAL', 'a group exists before the job was joined');
  const { engine, session } = current;
  session.checkAlive();
  const world = Group.ofWorld(engine.rank, engine.size);
  const endpoint = new Endpoint(engine, null, world, engine.rank, session);
  const agreeing = agreeByName(engine, session, group, nameOf(['fromGroup', tag], group));
  const schedule = (function* (): Schedule<C> {
    return make(endpoint, yield* agreeing);
  })();
  return { endpoint, schedule };
}
