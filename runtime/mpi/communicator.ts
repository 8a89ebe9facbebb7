/** Communicators (MPI 4.1, 7): a group of ranks and a context in which their messages match. */
import { inWords } from '../base/bytes.ts';
import { MpiError } from '../base/error.ts';
import type { ContextPair } from '../messaging/contexts/pair.ts';
import type { Engine } from '../messaging/engine.ts';
import { checkTag } from './arguments.ts';
import type { Prepared } from './collective/calls.ts';
import { preparedPlain } from './collective/collectives.ts';
import { InterCollectives } from './collective/inter-collectives.ts';
import { Reductions } from './collective/reductions.ts';
import { runSync, type Schedule, ScheduledRequest } from './collective/schedule.ts';
import type { CommunicatorObject } from './communicator-object.ts';
import { type Agreed, agree, agreeByName, REFUSED } from './construction/agreement.ts';
import * as check from './construction/arguments.ts';
import { type Bridge, makeInter, type Sides } from './construction/inter.ts';
import { merge } from './construction/merge.ts';
import { identityOf, nameOf } from './construction/names.ts';
import { split, splitByPart } from './construction/split.ts';
import { create } from './construction/subgroup.ts';
import { checkGroup, Group } from './group.ts';
import type { MachinePart } from './locality.ts';
import { Endpoint } from './point-to-point/endpoint.ts';
import type { StartedRequest } from './point-to-point/started-request.ts';
import { currentSession, type Session } from './session.ts';

/** How two communicators relate. */
export type CommunicatorComparison = 'same' | 'congruent' | 'similar' | 'unequal';

/**
 * Ranks that talk to each other, each by its number in one group (MPI_Comm; MPI 4.1, 7.4).
 *
 * A new communicator is made from another one, by all of its ranks, or by those alone who will be in it.
 * Messages on one communicator never meet those on another. Each has a name, attributes, and its own choice
 * of what becomes of errors.
 */
export class Communicator extends Reductions {
  /** @internal @param pair its contexts; null for the world */
  constructor(engine: Engine, pair: ContextPair | null, group: Group, session: Session, name = '') {
    super(engine, pair, group, group, session, name);
  }

  /**
   * A communicator of the same ranks, whose messages do not meet those of this one
   * (MPI_Comm_dup, MPI_Comm_idup; MPI 4.1, 7.4.2): what a library begins with. All ranks call it. Attributes are copied as
   * their keys say ({@link AttributeKey}).
   * @throws MpiError ERR_ARG where a hook that copies an attribute throws, and ERR_PEER_FAILED at the other
   *   ranks; ERR_NO_CONTEXT, ERR_FINALIZED, ERR_CLOSED, ERR_PEER_FAILED
   */
  dup(): StartedRequest<Communicator> {
    return this.calls.start(() => this.#dup());
  }

  /** {@link dup}, blocking the thread. */
  dupSync(): Communicator {
    return this.calls.runSync(this.#dup());
  }

  #dup(): Prepared<Communicator> {
    return preparedPlain('dup', (tag) => this.#duplicate(tag));
  }

  *#duplicate(tag: number): Schedule<Communicator> {
    const copied = this.copyAttributes();
    const everybody = (said: Float64Array) => Int32Array.from(said, (_, rank) => rank);
    const serial = copied.error === null ? null : REFUSED;
    try {
      const { endpoint, group } = this;
      const made = this.#made(yield* agree(endpoint, group, tag, [], serial, everybody));
      if (copied.made.length > 0) copied.moveTo((made as Communicator).attributes);
      return made as Communicator;
    } catch (error) {
      copied.free();
      throw copied.error ?? error;
    }
  }

  /**
   * A communicator of those ranks that pass the same color (MPI_Comm_split; MPI 4.1, 7.4.2). All ranks of this one
   * call it.
   * @param color an integer from 0 on; null: this rank gets none
   * @param key the new ranks are in the order of the keys, and where keys are the same in the order of the
   *   ranks here
   * @returns null where the color was
   * @throws MpiError ERR_ARG, ERR_NO_CONTEXT, ERR_FINALIZED, ERR_CLOSED, ERR_PEER_FAILED
   */
  split(color: number, key?: number): StartedRequest<Communicator>;
  split(color: null, key?: number): StartedRequest<null>;
  split(color: number | null, key?: number): StartedRequest<Communicator | null>;
  split(color: number | null, key = 0): StartedRequest<Communicator | null> {
    return this.calls.start(() => this.#split(color, key));
  }

  /** {@link split}, blocking the thread. */
  splitSync(color: number, key?: number): Communicator;
  splitSync(color: null, key?: number): null;
  splitSync(color: number | null, key?: number): Communicator | null;
  splitSync(color: number | null, key = 0): Communicator | null {
    return this.calls.runSync(this.#split(color, key));
  }

  #split(color: number | null, key: number): Prepared<Communicator | null> {
    const { endpoint, group } = this;
    endpoint.checkAlive();
    check.checkColor(color);
    check.checkKey(key);
    return preparedPlain('split', (tag) => this.#making(split(endpoint, group, tag, color, key)));
  }

  /**
   * A communicator of those ranks that share something (MPI_Comm_split_type; MPI 4.1, 7.4.2): memory
   * ('shared': they run on one machine), or the part of it that they may run on ('numa', 'socket', 'l3' for
   * a third-level cache, 'core'), as the kernel tells and as they are bound at the time of the call. A rank that may run on
   * several such parts comes together with those that may run on the same ones. All ranks call it.
   * @param key as of {@link split}
   * @throws MpiError ERR_ARG, ERR_NO_CONTEXT, ERR_FINALIZED, ERR_CLOSED, ERR_PEER_FAILED
   */
  splitType(part: MachinePart, key = 0): StartedRequest<Communicator> {
    return this.calls.start(() => this.#splitType(part, key));
  }

  /** {@link splitType}, blocking the thread. */
  splitTypeSync(part: MachinePart, key = 0): Communicator {
    return this.calls.runSync(this.#splitType(part, key));
  }

  #splitType(part: MachinePart, key: number): Prepared<Communicator> {
    const { endpoint, group } = this;
    endpoint.checkAlive();
    check.checkPart(part);
    check.checkKey(key);
    const making = (tag: number) => splitByPart(endpoint, group, tag, part, key);
    return preparedPlain('splitType', (tag) => this.#making(making(tag)));
  }

  /**
   * A communicator of a group (MPI_Comm_create; MPI 4.1, 7.4.2). All ranks of this communicator call it, each with the
   * group that it will be in: several groups without a common rank may be made by one call. A rank that
   * gets none passes any group that it is not in.
   * @returns null where this rank is not in the group
   * @throws MpiError ERR_RANK where the group has ranks that this communicator lacks; ERR_ARG where it is no group, or other members
   *   pass another one; ERR_NO_CONTEXT, ERR_FINALIZED, ERR_CLOSED, ERR_PEER_FAILED
   */
  create(group: Group): StartedRequest<Communicator | null> {
    return this.calls.start(() => this.#create(group));
  }

  /** {@link create}, blocking the thread. */
  createSync(group: Group): Communicator | null {
    return this.calls.runSync(this.#create(group));
  }

  #create(group: Group): Prepared<Communicator | null> {
    const { endpoint } = this;
    endpoint.checkAlive();
    check.checkSubgroup(group, this.group);
    const making = (tag: number) => create(endpoint, this.group, tag, group);
    return preparedPlain('create', (tag) => this.#making(making(tag)));
  }

  /**
   * A communicator of a group, which its members alone call (MPI_Comm_create_group; MPI 4.1, 7.4.2), whatever the other
   * ranks do meanwhile. Calls at the same time are told apart by the group and the tag; those with the
   * same group and tag match in their order.
   * @throws MpiError ERR_RANK where this rank is not in the group, or the group has ranks that this communicator lacks;
   *   ERR_ARG where it is no group; ERR_TAG, ERR_NO_CONTEXT, ERR_FINALIZED, ERR_CLOSED, ERR_PEER_FAILED
   */
  createGroup(group: Group, tag = 0): StartedRequest<Communicator> {
    return ScheduledRequest.of(this.endpoint, () => this.#createGroup(group, tag));
  }

  /** {@link createGroup}, blocking the thread. */
  createGroupSync(group: Group, tag = 0): Communicator {
    return runSync(this.#createGroup(group, tag));
  }

  #createGroup(group: Group, tag: number): Schedule<Communicator> {
    const { endpoint } = this;
    endpoint.checkAlive();
    check.checkSubgroup(group, this.group);
    check.checkMember(group);
    checkTag(tag);
    const name = nameOf(['createGroup', identityOf(endpoint), tag], group);
    return this.#making(agreeByName(endpoint.engine, endpoint.session, group, name));
  }

  /**
   * A communicator of a group, from no other communicator (MPI_Comm_create_from_group; MPI 4.1, 7.4.2): its members alone
   * call it. A library that gets a group needs nothing else.
   * @param tag calls at the same time are told apart by the group and the tag
   * @throws MpiError ERR_RANK where this rank is not in the group; ERR_ARG where it is no group; ERR_TAG,
   *   ERR_NO_CONTEXT, ERR_FINALIZED, ERR_PEER_FAILED
   */
  static fromGroup(group: Group, tag: string): StartedRequest<Communicator> {
    const { endpoint, schedule } = fromGroup(group, tag);
    return ScheduledRequest.of(endpoint, () => schedule);
  }

  /** {@link fromGroup}, blocking the thread. */
  static fromGroupSync(group: Group, tag: string): Communicator {
    return runSync(fromGroup(group, tag).schedule);
  }

  /**
   * Connects two groups (MPI_Intercomm_create; MPI 4.1, 7.6.2): this communicator's, and that of another communicator, whose
   * ranks make the same call at the same time. The groups have no rank in common. One rank of each is its leader; the two leaders
   * find each other in a third communicator.
   * @param localLeader a rank of this communicator, the same at all its ranks
   * @param bridge a communicator that has both leaders; only the leader's counts, others may pass null
   * @param remoteLeader the other leader's rank in it; only the leader's counts
   * @param tag calls of the same leaders at the same time are told apart by it
   * @throws MpiError ERR_RANK, ERR_TAG; ERR_ARG where the groups have a rank in common, or `bridge` is none;
   *   ERR_NO_CONTEXT, ERR_FINALIZED, ERR_CLOSED, ERR_PEER_FAILED
   */
  createInter(
    localLeader: number,
    bridge: Communicator | null,
    remoteLeader: number,
    tag = 0,
  ): StartedRequest<InterCommunicator> {
    return this.calls.start(() => this.#createInter(localLeader, bridge, remoteLeader, tag));
  }

  /** {@link createInter}, blocking the thread. */
  createInterSync(
    localLeader: number,
    bridge: Communicator | null,
    remoteLeader: number,
    tag = 0,
  ): InterCommunicator {
    return this.calls.runSync(this.#createInter(localLeader, bridge, remoteLeader, tag));
  }

  #createInter(
    leader: number,
    bridge: Communicator | null,
    remoteLeader: number,
    tag: number,
  ): Prepared<InterCommunicator> {
    const { endpoint, group, size, rank } = this;
    endpoint.checkAlive();
    check.checkLeader('local leader', leader, size);
    checkTag(tag);
    const mine = rank === leader ? bridgeOf(bridge, remoteLeader, tag) : null;
    const making = (number: number) => makeInter(endpoint, group, number, leader, mine);
    return preparedPlain('createInter', (number) => interOf(this, making(number)));
  }

  /**
   * Whether two communicators are one ('same'), have the same ranks in the same order ('congruent'), the same
   * ranks ('similar'), or others ('unequal') (MPI_Comm_compare; MPI 4.1, 7.4.1).
   * @throws MpiError ERR_ARG where `other` is no communicator
   */
  compare(other: Communicator): CommunicatorComparison {
    if (!(other instanceof Communicator))
      throw new MpiError('ERR_ARG', `${inWords(other)} is no communicator to compare with`);
    if (this === other) return 'same';
    const groups = this.group.compare(other.group);
    return groups === 'same' ? 'congruent' : groups;
  }

  #made(agreed: Agreed | null): Communicator | null {
    return agreed === null ? null : madeFrom(this, agreed);
  }

  #making(schedule: Schedule<Agreed>): Schedule<Communicator>;
  #making(schedule: Schedule<Agreed | null>): Schedule<Communicator | null>;
  *#making(schedule: Schedule<Agreed | null>): Schedule<Communicator | null> {
    return this.#made(yield* schedule);
  }
}

/**
 * Two groups: the ranks that a call names are the other group's (MPI 4.1, 7.6). What one group gives in a
 * collective call, the other gets.
 */
export class InterCommunicator extends InterCollectives {
  /** How many ranks the other group has (MPI_Comm_remote_size; MPI 4.1, 7.6.1). */
  readonly remoteSize: number;
  /** The other group (MPI_Comm_remote_group; MPI 4.1, 7.6.1). */
  readonly remoteGroup: Group;

  /** @internal */
  constructor(engine: Engine, sides: Sides, session: Session) {
    super(engine, sides, session);
    this.remoteSize = sides.remote.size;
    this.remoteGroup = sides.remote;
  }

  /**
   * One communicator of both groups (MPI_Intercomm_merge; MPI 4.1, 7.6.2). All ranks of both call it.
   * @param high whether this group comes last, the same at all its ranks; where both groups say the same,
   *   the one whose first rank is the lower in the world comes first
   * @throws MpiError ERR_ARG where the ranks of a group do not pass the same; ERR_NO_CONTEXT, ERR_FINALIZED,
   *   ERR_CLOSED, ERR_PEER_FAILED
   */
  merge(high: boolean): StartedRequest<Communicator> {
    return this.calls.start(() => this.#merge(high));
  }

  /** {@link merge}, blocking the thread. */
  mergeSync(high: boolean): Communicator {
    return this.calls.runSync(this.#merge(high));
  }

  #merge(high: boolean): Prepared<Communicator> {
    const { endpoint, local, group, remoteGroup } = this;
    endpoint.checkAlive();
    check.checkHigh(high);
    const making = (tag: number) => merge(endpoint, local, group, remoteGroup, tag, high);
    return preparedPlain('merge', (tag) => mergedOf(this, making(tag)));
  }

  /** @internal */
  protected override giveUp(): void {
    super.giveUp();
    const { engine, pair } = this.local;
    if (pair !== null) engine.receiving.contexts.close(pair);
  }
}

function madeFrom(parent: CommunicatorObject, { pair, group }: Agreed): Communicator {
  const { engine, session } = parent.endpoint;
  const made = new Communicator(engine, pair, group, session);
  return inheriting(made, parent);
}

/** What a communicator has from the one that it is made from. */
function inheriting<C extends CommunicatorObject>(made: C, parent: CommunicatorObject): C {
  made.errors = parent.errors;
  made.timeout = parent.timeout;
  return made;
}

function* mergedOf(parent: InterCommunicator, schedule: Schedule<Agreed>): Schedule<Communicator> {
  return madeFrom(parent, yield* schedule);
}

function* interOf(parent: Communicator, schedule: Schedule<Sides>): Schedule<InterCommunicator> {
  const { engine, session } = parent.endpoint;
  const made = new InterCommunicator(engine, yield* schedule, session);
  return inheriting(made, parent);
}

/** @throws MpiError ERR_ARG, ERR_RANK, ERR_CLOSED */
function bridgeOf(bridge: Communicator | null, remoteLeader: number, tag: number): Bridge {
  if (!(bridge instanceof Communicator))
    throw new MpiError(
      'ERR_ARG',
      `${inWords(bridge)} is no communicator in which the leaders could find each other`,
    );
  const { endpoint, size, rank } = bridge;
  endpoint.checkAlive();
  check.checkLeader('remote leader', remoteLeader, size);
  if (remoteLeader === rank)
    throw new MpiError('ERR_RANK', `the remote leader ${rank} is this rank itself`);
  return { endpoint, remoteLeader, tag };
}

function fromGroup(group: Group, tag: string) {
  checkGroup(group);
  check.checkMember(group);
  check.checkTagString(tag);
  const current = currentSession();
  if (current === null)
    throw new MpiError('ERR_INTERNAL', 'a group exists before the job was joined');
  const { engine, session } = current;
  session.checkAlive();
  const world = new Endpoint(
    engine,
    null,
    Group.ofWorld(engine.rank, engine.size),
    engine.rank,
    session,
  );
  const agreeing = agreeByName(engine, session, group, nameOf(['fromGroup', tag], group));
  const schedule = (function* (): Schedule<Communicator> {
    const agreed = yield* agreeing;
    return new Communicator(engine, agreed.pair, agreed.group, session);
  })();
  return { endpoint: world, schedule };
}

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
