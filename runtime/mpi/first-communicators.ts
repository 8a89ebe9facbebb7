/** The communicators that there are from the start (MPI 4.1, 7.4). */
import { MpiError } from '../base/error.ts';
import type { Engine } from '../messaging/engine.ts';
import { Communicator } from './communicator.ts';
import { Group } from './group.ts';
import type { Session } from './session.ts';

/** All ranks of the job. */
export function worldOf(engine: Engine, session: Session = bare(engine)): Communicator {
  const group = Group.ofWorld(engine.rank, engine.size);
  const world = new Communicator(engine, null, group, session, 'MPI.world');
  world.endpoint.permanent = true;
  return world;
}

/** This rank alone. */
export function selfOf(engine: Engine, session: Session = bare(engine)): Communicator {
  const group = Group.of(engine.rank, Int32Array.of(engine.rank));
  const pair = engine.receiving.contexts.begin();
  pair.join(group, Float64Array.of(pair.serial));
  const self = new Communicator(engine, pair, group, session, 'MPI.self');
  self.endpoint.permanent = true;
  return self;
}

/** An engine on its own, in tests. */
function bare({ rank }: Engine): Session {
  const abort = (_code: number, message: string): never => {
    throw new MpiError('ERR_INTERNAL', message);
  };
  return { ended: false, checkAlive: () => {}, abort, near: [rank] };
}
