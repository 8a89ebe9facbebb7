/**
 * How the ranks of a job meet, event by event: they come to the launcher's fence, leave it, make
 * their queue pairs and exchange HELLOs, which can be lost, until all connections are ready. The
 * rules are those of transports/verbs/connect/handshake.ts and datagram.ts; a test holds both together.
 */
import { DATAGRAM_RECEIVES, DATAGRAM_SENDS } from '../../../transports/verbs/connect/datagram.ts';
import { HELLO_FIRST_MS, HELLO_LAST_MS } from '../../../transports/verbs/connect/handshake.ts';
import type { Costs } from './costs.ts';
import { Lane, runLanes } from './lanes.ts';
import { generator, type Pattern } from './patterns.ts';

export interface SetupOptions {
  ranks: number;
  pattern: Pattern;
  costs: Costs;
  ranksPerNode: number;
  /** Ranks come to the fence within this time of each other. */
  skewUs: number;
  /** Share of datagrams that the network loses, beside those that find no room. */
  loss: number;
  progress?: (ready: number, connections: number) => void;
}

export interface ConnectionSetup {
  connections: number;
  /** Ends that are ready: two of each connection, or something went wrong. */
  ready: number;
  hellos: number;
  /** By the network; at a receiver that had no room; not sent since the sender had none. */
  lost: number;
  overrun: number;
  unsent: number;
  /** When the last rank left the fence, and when the last connection was ready, in milliseconds. */
  fenceMs: number;
  readyMs: number;
  events: number;
}

/** Bits of an end's state. */
const MADE = 1;
const CONNECTED = 2;
const READY = 4;

/** What a HELLO says, beside its sender. */
const KNOWN = 1;
const CONFIRMED = 2;

/** HELLO_FIRST_MS, then each twice as long, up to HELLO_LAST_MS. */
export function delaysUs(): number[] {
  const delays = [HELLO_FIRST_MS];
  while (delays.at(-1)! < HELLO_LAST_MS) delays.push(Math.min(HELLO_LAST_MS, 2 * delays.at(-1)!));
  return delays.map((milliseconds) => milliseconds * 1000);
}

/** Pairs of the pattern as ends: of connection c the ends 2c and 2c + 1. */
class Ends {
  readonly owner: Int32Array;
  readonly count: number;
  /** The ends that a rank begins: `mine[first[rank] .. first[rank + 1])`. */
  readonly first: Int32Array;
  readonly mine: Int32Array;

  constructor(pattern: Pattern, ranks: number) {
    let owner = new Int32Array(1 << 16);
    let begins = new Uint8Array(1 << 16);
    let count = 0;
    const first = new Int32Array(ranks + 1);
    pattern.pairs(ranks, (from, to, both) => {
      if (count + 2 > owner.length) {
        owner = widened(owner, new Int32Array(2 * owner.length));
        begins = widened(begins, new Uint8Array(2 * begins.length));
      }
      owner[count] = from;
      owner[count + 1] = to;
      begins[count] = 1;
      begins[count + 1] = both ? 1 : 0;
      first[from + 1]++;
      if (both) first[to + 1]++;
      count += 2;
    });
    for (let rank = 0; rank < ranks; rank++) first[rank + 1] += first[rank];
    const next = first.slice();
    this.mine = new Int32Array(first[ranks]);
    for (let end = 0; end < count; end++)
      if (begins[end] === 1) this.mine[next[owner[end]]++] = end;
    this.owner = owner;
    this.count = count;
    this.first = first;
  }
}

function widened<T extends Int32Array | Uint8Array>(from: T, to: T): T {
  to.set(from);
  return to;
}

class Simulation {
  readonly #ends: Ends;
  readonly #options: SetupOptions;
  readonly #chance = generator(7);
  readonly #clock = { now: 0 };
  readonly #state: Uint8Array;
  /** By end: which delay comes next. */
  readonly #turn: Uint8Array;
  readonly #fence: Fence;
  /** By rank: the next of its ends to begin; datagrams that wait; whether it works just now. */
  readonly #next: Int32Array;
  readonly #inbox: Inbox;
  readonly #busy: Uint8Array;
  readonly #sending: Uint8Array;
  readonly #lanes: { created: Lane; read: Lane; connected: Lane; arrive: Lane; sent: Lane };
  readonly #delays = delaysUs();
  readonly #timers: Lane[];
  readonly result: ConnectionSetup;

  constructor(options: SetupOptions) {
    const { ranks, pattern } = options;
    this.#options = options;
    this.#ends = new Ends(pattern, ranks);
    const { count, first } = this.#ends;
    this.#state = new Uint8Array(count);
    this.#turn = new Uint8Array(count);
    this.#next = first.slice(0, ranks);
    this.#inbox = new Inbox(ranks);
    this.#busy = new Uint8Array(ranks).fill(1);
    this.#sending = new Uint8Array(ranks);
    this.#lanes = {
      created: new Lane((end) => this.#created(end)),
      read: new Lane((rank) => this.#read(rank)),
      connected: new Lane((rank) => this.#connected(rank)),
      arrive: new Lane((hello) => this.#arrive(hello)),
      sent: new Lane((rank) => this.#sending[rank]--),
    };
    this.#timers = this.#delays.map(() => new Lane((end) => this.#again(end)));
    this.#fence = new Fence(options, this.#clock, (rank) => {
      this.result.fenceMs = this.#clock.now / 1000;
      this.#work(rank);
    });
    this.result = {
      ...{ connections: count / 2, ready: 0, hellos: 0, lost: 0, overrun: 0, unsent: 0 },
      ...{ fenceMs: 0, readyMs: 0, events: 0 },
    };
  }

  run(): ConnectionSetup {
    const lanes = [...this.#fence.lanes, ...Object.values(this.#lanes), ...this.#timers];
    const { progress } = this.#options;
    this.result.events = runLanes(lanes, this.#clock, () =>
      progress?.(this.result.ready, 2 * this.result.connections),
    );
    return this.result;
  }

  // ---- a rank does one thing after the other: first it sends to its peers, then it listens

  #work(rank: number): void {
    this.#busy[rank] = 1;
    const { now } = this.#clock;
    const { first, mine } = this.#ends;
    while (this.#next[rank] < first[rank + 1]) {
      const end = mine[this.#next[rank]++];
      // Whoever was invited meanwhile has its end.
      if ((this.#state[end] & MADE) === 0) {
        this.#lanes.created.add(now + this.#options.costs.createUs, end);
        return;
      }
    }
    if (this.#inbox.waiting(rank) > 0)
      this.#lanes.read.add(now + this.#options.costs.helloUs, rank);
    else this.#busy[rank] = 0;
  }

  #created(end: number): void {
    this.#begin(end);
    const rank = this.#ends.owner[end];
    // It was made for a peer whose HELLO is being answered.
    if (this.#inbox.held(rank) >= 0)
      this.#lanes.connected.add(this.#clock.now + this.#options.costs.connectUs, rank);
    else this.#work(rank);
  }

  #begin(end: number): void {
    this.#state[end] |= MADE;
    this.#send(end);
    this.#timers[0].add(this.#clock.now + this.#delays[0], end);
  }

  /** A datagram is understood: it may need an end, or the connecting of one, before the answer. */
  #read(rank: number): void {
    const hello = this.#inbox.take(rank);
    const end = (hello >> 2) ^ 1;
    const state = this.#state[end];
    const { now } = this.#clock;
    if ((state & MADE) === 0) {
      this.#inbox.hold(rank, hello);
      this.#lanes.created.add(now + this.#options.costs.createUs, end);
    } else if ((state & CONNECTED) === 0) {
      this.#inbox.hold(rank, hello);
      this.#lanes.connected.add(this.#clock.now + this.#options.costs.connectUs, rank);
    } else {
      this.#answer(end, hello, false);
      this.#work(rank);
    }
  }

  #connected(rank: number): void {
    const hello = this.#inbox.held(rank);
    this.#inbox.hold(rank, -1);
    const end = (hello >> 2) ^ 1;
    this.#state[end] |= CONNECTED;
    this.#answer(end, hello, true);
    this.#work(rank);
  }

  #answer(end: number, hello: number, first: boolean): void {
    if ((hello & KNOWN) !== 0 && (this.#state[end] & READY) === 0) {
      this.#state[end] |= READY;
      this.result.ready++;
      this.result.readyMs = this.#clock.now / 1000;
    }
    if ((hello & CONFIRMED) === 0 || first) this.#send(end);
  }

  // ---- datagrams

  #send(end: number): void {
    const rank = this.#ends.owner[end];
    if (this.#sending[rank] >= DATAGRAM_SENDS) {
      this.result.unsent++;
      return;
    }
    const { now } = this.#clock;
    const state = this.#state[end];
    const says = (state & CONNECTED ? KNOWN : 0) | (state & READY ? CONFIRMED : 0);
    this.#sending[rank]++;
    this.#lanes.sent.add(now + this.#options.costs.latencyUs, rank);
    this.result.hellos++;
    if (this.#options.loss > 0 && this.#chance() < this.#options.loss) this.result.lost++;
    else this.#lanes.arrive.add(now + this.#options.costs.latencyUs, (end << 2) | says);
  }

  #arrive(hello: number): void {
    const rank = this.#ends.owner[(hello >> 2) ^ 1];
    if (this.#inbox.waiting(rank) >= DATAGRAM_RECEIVES) {
      this.result.overrun++;
      return;
    }
    this.#inbox.put(rank, hello);
    if (this.#busy[rank] === 0) this.#work(rank);
  }

  /** The time of a HELLO without an answer is over. */
  #again(end: number): void {
    if ((this.#state[end] & READY) !== 0) return;
    this.#turn[end] = Math.min(this.#turn[end] + 1, this.#delays.length - 1);
    const turn = this.#turn[end];
    this.#timers[turn].add(this.#clock.now + this.#delays[turn], end);
    this.#send(end);
  }
}

/** Datagrams that wait, by rank, in a ring each; made when a rank gets its first. */
class Inbox {
  readonly #rings: (Int32Array | undefined)[];
  readonly #heads: Uint8Array;
  readonly #counts: Uint8Array;
  /** By rank: the datagram that is being dealt with; -1: none. */
  readonly #held: Int32Array;

  constructor(ranks: number) {
    this.#rings = new Array(ranks);
    this.#heads = new Uint8Array(ranks);
    this.#counts = new Uint8Array(ranks);
    this.#held = new Int32Array(ranks).fill(-1);
  }

  waiting(rank: number): number {
    return this.#counts[rank];
  }

  put(rank: number, hello: number): void {
    this.#rings[rank] ??= new Int32Array(DATAGRAM_RECEIVES);
    const at = (this.#heads[rank] + this.#counts[rank]++) % DATAGRAM_RECEIVES;
    this.#rings[rank][at] = hello;
  }

  take(rank: number): number {
    const head = this.#heads[rank];
    this.#heads[rank] = (head + 1) % DATAGRAM_RECEIVES;
    this.#counts[rank]--;
    return this.#rings[rank]![head];
  }

  hold(rank: number, hello: number): void {
    this.#held[rank] = hello;
  }

  held(rank: number): number {
    return this.#held[rank];
  }
}

/**
 * The launcher's fence: each node's launcher waits for its ranks, and for those below it in a binary
 * tree of nodes; the root's answer goes down, and each node lets its ranks go one by one.
 */
class Fence {
  readonly lanes: Lane[];

  constructor(
    { ranks, ranksPerNode, costs, skewUs }: SetupOptions,
    clock: { now: number },
    leave: (rank: number) => void,
  ) {
    const nodes = Math.ceil(ranks / ranksPerNode);
    const onNode = (node: number) => Math.min(ranksPerNode, ranks - node * ranksPerNode);
    const children = (node: number) => Math.max(0, Math.min(2, nodes - 1 - 2 * node));
    const awaited = Int32Array.from({ length: nodes }, (_, node) => onNode(node) + children(node));
    const up = new Lane((node) => {
      if (--awaited[node] > 0) return;
      const { now } = clock;
      if (node > 0) up.add(now + costs.pmiUs, (node - 1) >> 1);
      else down.add(now + costs.pmiUs, 0);
    });
    const come = new Lane((rank) => up.happen(Math.floor(rank / ranksPerNode)));
    const down = new Lane((node) => {
      for (let child = 1; child <= children(node); child++)
        down.add(clock.now + costs.pmiUs, 2 * node + child);
      go.add(clock.now + costs.pmiUs, node * ranksPerNode);
    });
    const go: Lane = new Lane((rank) => {
      leave(rank);
      const next = rank + 1;
      if (next < ranks && next % ranksPerNode !== 0) go.add(clock.now + costs.pmiUs, next);
    });
    // Neighbours do not come one after the other.
    const stride = coprime(ranks);
    for (let i = 0; i < ranks; i++) come.add((i * skewUs) / ranks, (i * stride) % ranks);
    this.lanes = [come, up, down, go];
  }
}

/** A step by which all ranks are met once, far from 1. */
function coprime(ranks: number): number {
  const divisor = (a: number, b: number): number => (b === 0 ? a : divisor(b, a % b));
  let step = Math.max(1, Math.floor(ranks * 0.618));
  while (divisor(step, ranks) !== 1) step++;
  return step;
}

/** Lets the ranks of a job meet. */
export function simulateSetup(options: SetupOptions): ConnectionSetup {
  return new Simulation(options).run();
}
