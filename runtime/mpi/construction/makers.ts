/** Communicators that are made from another one (MPI 4.1, 7.4 and 7.6). */
import { inWords } from '../../base/bytes.ts';
import { MpiError } from '../../base/error.ts';
import { checkTag } from '../arguments.ts';
import { preparedPlain } from '../collective/collectives.ts';
import type { Prepared } from '../collective/prepared.ts';
import { Reductions } from '../collective/reductions.ts';
import { runSync, type Schedule, ScheduledRequest } from '../collective/schedule.ts';
import type { Group } from '../group.ts';
import type { MachinePart } from '../locality.ts';
import type { StartedRequest } from '../point-to-point/started-request.ts';
import { type Agreed, agree, agreeByName, REFUSED } from './agreement.ts';
import * as check from './arguments.ts';
import { type Bridge, makeInter, type Sides } from './inter.ts';
import { identityOf, nameOf } from './names.ts';
import { split, splitByPart } from './split.ts';
import { create } from './subgroup.ts';

/**
 * The calls that make communicators. The classes of what they make extend this one, so they are known here by its type
 * parameters alone.
 */
export abstract class CommunicatorMakers<Communicator, InterCommunicator> extends Reductions {
  /** @internal One that was agreed about. */
  protected abstract made(agreed: Agreed): Communicator;

  /** @internal One of the same kind, which was agreed about. */
  protected abstract twin(agreed: Agreed): this;

  /** @internal */
  protected abstract connected(sides: Sides): InterCommunicator;

  /**
   * A communicator of the same ranks and kind, whose messages do not meet those of this one
   * (MPI_Comm_dup, MPI_Comm_idup; MPI 4.1, 7.4.2): what a library begins with. All ranks call it. Attributes are copied as
   * their keys say ({@link AttributeKey}).
   * @throws MpiError ERR_ARG where a hook that copies an attribute throws, and ERR_PEER_FAILED at the other
   *   ranks; ERR_NO_CONTEXT, ERR_FINALIZED, ERR_CLOSED, ERR_PEER_FAILED
   */
  dup(): StartedRequest<this> {
    return this.calls.start(() => this.#dup());
  }

  /** {@link dup}, blocking the thread. */
  dupSync(): this {
    return this.calls.runSync(this.#dup());
  }

  #dup(): Prepared<this> {
    return preparedPlain('dup', (tag) => this.#duplicate(tag));
  }

  *#duplicate(tag: number): Schedule<this> {
    const copied = this.copyAttributes();
    const everybody = (said: Float64Array) => Int32Array.from(said, (_, rank) => rank);
    const serial = copied.error === null ? null : REFUSED;
    try {
      const { endpoint, group } = this;
      const agreed = yield* agree(endpoint, group, tag, [], serial, everybody);
      const twin = this.twin(agreed as Agreed);
      if (copied.made.length > 0) copied.moveTo(twin.attributes);
      return twin;
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
    return preparedPlain('createInter', (number) => this.#connecting(making(number)));
  }

  #making(schedule: Schedule<Agreed>): Schedule<Communicator>;
  #making(schedule: Schedule<Agreed | null>): Schedule<Communicator | null>;
  *#making(schedule: Schedule<Agreed | null>): Schedule<Communicator | null> {
    const agreed = yield* schedule;
    return agreed === null ? null : this.made(agreed);
  }

  *#connecting(schedule: Schedule<Sides>): Schedule<InterCommunicator> {
    return this.connected(yield* schedule);
  }
}

/** @throws MpiError ERR_ARG, ERR_RANK, ERR_CLOSED */
function bridgeOf(bridge: unknown, remoteLeader: number, tag: number): Bridge {
  if (!(bridge instanceof CommunicatorMakers))
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
