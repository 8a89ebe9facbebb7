/** Intercommunicators (MPI 4.1, 7.6.2): two groups, whose leaders find each other in a third communicator. */
import { MpiError } from '../../base/error.ts';
import type { ContextPair } from '../../messaging/contexts/pair.ts';
import { allgatherNumbers } from '../collective/allgather.ts';
import type { Schedule } from '../collective/schedule.ts';
import { Group } from '../group.ts';
import { Endpoint } from '../point-to-point/endpoint.ts';
import { exchange } from '../point-to-point/sendrecv.ts';
import { checkSerials, giveBack, NONE_LEFT, reserve, serialOf } from './agreement.ts';
import { bytesOf, throughLeader } from './leaders.ts';
import { identityOf, nameOf } from './names.ts';

/** Two groups, each with contexts for what it does on its own. */
export interface Sides {
  readonly pair: ContextPair;
  readonly local: ContextPair;
  readonly group: Group;
  readonly remote: Group;
}

/** What the leader knows of the other. */
export interface Bridge {
  readonly endpoint: Endpoint;
  readonly remoteLeader: number;
  readonly tag: number;
}

/** What leaders tell each other first: how it went on their side, and how many ranks that has. */
const STATE = 0;
const SIZE = 1;
const FINE = 1;

/** @param bridge the leader's; null at the others */
export function* makeInter(
  parent: Endpoint,
  group: Group,
  tag: number,
  leader: number,
  bridge: Bridge | null,
): Schedule<Sides> {
  const { engine } = parent;
  const pair = reserve(engine);
  const local = reserve(engine);
  try {
    const mine = Float64Array.of(serialOf(pair), serialOf(local));
    const said = yield* allgatherNumbers(parent, tag, mine);
    const ours = columnsOf(group, said);
    const header = Float64Array.of(0, 0);
    let leaders: LeaderPair | null = null;
    let theirs = new Float64Array(0);
    try {
      yield* throughLeader(parent, tag, leader, header, function* () {
        leaders = new LeaderPair(parent, bridge as Bridge);
        header.set(yield* leaders.swap(Float64Array.of(ours.state, group.size), 2));
      });
      theirs = new Float64Array(2 * header[SIZE]);
      yield* throughLeader(parent, tag, leader, theirs, function* () {
        theirs.set(yield* (leaders as LeaderPair).swap(ours.words, theirs.length));
      });
    } finally {
      (leaders as LeaderPair | null)?.close();
    }
    checkSerials(ours.least, group, parent.rank);
    if (header[STATE] === NONE_LEFT) throw noneThere(parent.rank);
    const remote = remoteGroup(engine.rank, theirs.subarray(0, header[SIZE]), group);
    (pair as ContextPair).join(remote, theirs.slice(header[SIZE]));
    (local as ContextPair).join(group, ours.locals);
    return { pair: pair as ContextPair, local: local as ContextPair, group, remote };
  } catch (error) {
    giveBack(engine, pair);
    giveBack(engine, local);
    throw error;
  }
}

/** What a rank of each side has to know, from what all ranks of ours have said. */
function columnsOf(group: Group, said: Float64Array) {
  const serials = said.filter((_, i) => i % 2 === 0);
  const locals = said.filter((_, i) => i % 2 === 1);
  const least = serials.map((serial, rank) => Math.min(serial, locals[rank]));
  const state = least.includes(NONE_LEFT) ? NONE_LEFT : FINE;
  /** For the other side: the ranks of ours, then their serials. */
  const words = Float64Array.from([...group, ...serials]);
  return { locals, least, state, words };
}

function noneThere(rank: number): MpiError {
  return new MpiError(
    'ERR_NO_CONTEXT',
    'a rank of the other group has as many communicators as it can have: free there what is not needed (comm.free(), or using comm = …)',
    { rank },
  );
}

/** @throws MpiError ERR_ARG where the groups have a rank in common: both sides see it */
function remoteGroup(self: number, worlds: Float64Array, group: Group): Group {
  const both = worlds.find((world) => group.rankOf(world) >= 0);
  if (both === undefined) return Group.of(self, Int32Array.from(worlds));
  throw new MpiError(
    'ERR_ARG',
    `rank ${both} of the world is in both groups: the groups of an intercommunicator have no rank in common`,
  );
}

/** Two leaders, in a communicator of their own that has a name until they part. */
class LeaderPair {
  readonly #endpoint: Endpoint;
  readonly #pair: ContextPair;

  constructor({ engine, session }: Endpoint, { endpoint, remoteLeader, tag }: Bridge) {
    const { contexts } = engine.receiving;
    const worlds = Int32Array.of(engine.rank, endpoint.members.worldOf(remoteLeader)).sort();
    const two = Group.of(engine.rank, worlds);
    this.#pair = contexts.beginNamed(nameOf(['inter', identityOf(endpoint), tag], two));
    this.#pair.join(two, null);
    this.#endpoint = new Endpoint(engine, this.#pair, two, two.rank, session);
  }

  *swap(ours: Float64Array, length: number): Schedule<Float64Array> {
    const other = 1 - this.#endpoint.rank;
    const theirs = new Float64Array(length);
    yield exchange(this.#endpoint, bytesOf(ours), other, bytesOf(theirs), other, 0);
    return theirs;
  }

  close(): void {
    const { contexts } = this.#endpoint.engine.receiving;
    contexts.forgetName(this.#pair);
    contexts.close(this.#pair);
  }
}
