/**
 * Short blocks of ranks on several nodes: those between the same two nodes travel together. One rank of a node has them all, and brings them
 * across; a message between nodes costs more than the copies.
 */
import { part, store } from '../../base/bytes.ts';
import type { Endpoint } from '../point-to-point/endpoint.ts';
import type { Request } from '../point-to-point/request.ts';
import { receiveOwn, sendOwn } from '../point-to-point/sendrecv.ts';
import { blockOf } from './arguments.ts';
import type { Nodes } from './nodes.ts';
import type { Schedule } from './schedule.ts';
import type { Shape } from './select.ts';

/** Longer blocks had better go straight from rank to rank: bringing them together would cost more than a message. */
const TOGETHER_BYTES = 4096;

/** Blocks of all ranks at one of them, and each rank's own, as of gather and scatter. */
interface Rooted {
  readonly mine: Uint8Array | null;
  readonly all: Uint8Array | null;
  readonly bytes: number;
  readonly root: number;
}

export const areShort = ({ nodes, bytes }: Shape): boolean =>
  nodes?.shared === true && bytes <= TOGETHER_BYTES;

/** Some blocks, side by side. */
function together(all: Uint8Array, ranks: readonly number[], bytes: number): Uint8Array {
  const joined = new Uint8Array(ranks.length * bytes);
  for (const [at, rank] of ranks.entries()) store(joined, blockOf(all, rank, bytes), at * bytes);
  return joined;
}

/** The inverse of {@link together}. */
function putBack(all: Uint8Array, ranks: readonly number[], bytes: number, from: Uint8Array): void {
  for (const [at, rank] of ranks.entries())
    store(all, part(from, at * bytes, (at + 1) * bytes), rank * bytes);
}

/** The root, and on other nodes the first rank: who has the blocks of its node. */
function headOf(nodes: Nodes, node: number, root: number): number {
  return nodes.groups[node].includes(root) ? root : nodes.groups[node][0];
}

/** The head of each node has the blocks of its ranks, and sends them to the root in one message. */
export function* gatherAcross(
  endpoint: Endpoint,
  tag: number,
  nodes: Nodes,
  { mine, all, bytes, root }: Rooted,
): Schedule<void> {
  const { groups, mine: node } = nodes;
  const { rank } = endpoint;
  const group = groups[node];
  const head = headOf(nodes, node, root);
  if (rank !== head) {
    yield [sendOwn(endpoint, mine as Uint8Array, head, tag)];
    return;
  }
  if (all === null) {
    const joined = new Uint8Array(group.length * bytes);
    store(joined, mine as Uint8Array);
    yield group
      .slice(1)
      .map((mate, at) => receiveOwn(endpoint, blockOf(joined, at + 1, bytes), mate, tag));
    yield [sendOwn(endpoint, joined, root, tag)];
    return;
  }
  if (mine !== null) store(all, mine, root * bytes);
  const others = groups.filter((other) => other !== group);
  const came = others.map((other) => new Uint8Array(other.length * bytes));
  yield [
    ...group
      .filter((mate) => mate !== rank)
      .map((mate) => receiveOwn(endpoint, blockOf(all, mate, bytes), mate, tag)),
    ...others.map(([first], at) => receiveOwn(endpoint, came[at], first, tag)),
  ];
  for (const [at, other] of others.entries()) putBack(all, other, bytes, came[at]);
}

/** The head of each node gets the blocks of its ranks from the root in one message, and deals them out. */
export function* scatterAcross(
  endpoint: Endpoint,
  tag: number,
  nodes: Nodes,
  { mine, all, bytes, root }: Rooted,
): Schedule<void> {
  const { groups, mine: node } = nodes;
  const { rank } = endpoint;
  const group = groups[node];
  const head = headOf(nodes, node, root);
  if (rank !== head) {
    yield [receiveOwn(endpoint, mine as Uint8Array, head, tag)];
    return;
  }
  const mates = group.filter((mate) => mate !== rank);
  if (all === null) {
    const joined = new Uint8Array(group.length * bytes);
    yield [receiveOwn(endpoint, joined, root, tag)];
    store(mine as Uint8Array, part(joined, 0, bytes));
    yield mates.map((mate, at) => sendOwn(endpoint, blockOf(joined, at + 1, bytes), mate, tag));
    return;
  }
  if (mine !== null) store(mine, blockOf(all, root, bytes));
  yield [
    ...groups
      .filter((other) => other !== group)
      .map((other) => sendOwn(endpoint, together(all, other, bytes), other[0], tag)),
    ...mates.map((mate) => sendOwn(endpoint, blockOf(all, mate, bytes), mate, tag)),
  ];
}

/** What goes between two nodes passes one rank of each: that of its node whose place is the other node's number. */
export function* alltoallAcross(
  endpoint: Endpoint,
  tag: number,
  nodes: Nodes,
  { send, receive, bytes }: { send: Uint8Array | null; receive: Uint8Array; bytes: number },
): Schedule<void> {
  const from = send as Uint8Array;
  const bridge = new Bridge(endpoint, tag, nodes, bytes);
  yield bridge.collect(from, receive);
  yield bridge.cross();
  yield bridge.deliver(receive);
  bridge.finish(receive);
}

class Bridge {
  readonly #endpoint: Endpoint;
  readonly #tag: number;
  readonly #nodes: Nodes;
  readonly #bytes: number;
  /** The ranks of this node. */
  readonly #group: readonly number[];
  /** What goes to a node by this rank: what each mate has for each rank there. */
  readonly #going = new Map<number, Uint8Array>();
  /** What has come from a node by this rank: what each rank there has for each mate. */
  readonly #came = new Map<number, Uint8Array>();
  /** What each rank of a node has for this one. */
  readonly #ours = new Map<number, Uint8Array>();

  constructor(endpoint: Endpoint, tag: number, nodes: Nodes, bytes: number) {
    this.#endpoint = endpoint;
    this.#tag = tag;
    this.#nodes = nodes;
    this.#bytes = bytes;
    this.#group = nodes.groups[nodes.mine];
    for (const node of this.#by(nodes.place)) {
      const length = this.#group.length * nodes.groups[node].length * bytes;
      this.#going.set(node, new Uint8Array(length));
      this.#came.set(node, new Uint8Array(length));
    }
  }

  /** The nodes that are reached by the rank of a place, ascending. */
  #by(place: number): number[] {
    const { groups, mine } = this.#nodes;
    const numbers = Array.from(groups.keys());
    return numbers.filter((node) => node !== mine && node % this.#group.length === place);
  }

  #send(bytes: Uint8Array, to: number): Request {
    return sendOwn(this.#endpoint, bytes, to, this.#tag);
  }

  #receive(bytes: Uint8Array, from: number): Request {
    return receiveOwn(this.#endpoint, bytes, from, this.#tag);
  }

  /** Blocks for mates go to them; those for other nodes to whoever brings them there. */
  collect(send: Uint8Array, receive: Uint8Array): Request[] {
    const { groups, place } = this.#nodes;
    const bytes = this.#bytes;
    const requests: Request[] = [];
    for (const [at, mate] of this.#group.entries()) {
      if (at === place) {
        store(receive, blockOf(send, mate, bytes), mate * bytes);
        for (const [node, going] of this.#going) {
          const span = groups[node].length * bytes;
          store(going, together(send, groups[node], bytes), place * span);
        }
        continue;
      }
      requests.push(this.#receive(blockOf(receive, mate, bytes), mate));
      for (const [node, going] of this.#going)
        requests.push(this.#receive(blockOf(going, at, groups[node].length * bytes), mate));
      requests.push(this.#send(blockOf(send, mate, bytes), mate));
      for (const node of this.#by(at))
        requests.push(this.#send(together(send, groups[node], bytes), mate));
    }
    return requests;
  }

  cross(): Request[] {
    const { groups, mine } = this.#nodes;
    return [...this.#going].flatMap(([node, going]) => {
      const there = groups[node][mine % groups[node].length];
      return [this.#receive(this.#came.get(node) as Uint8Array, there), this.#send(going, there)];
    });
  }

  /** To each mate what is for it. */
  deliver(receive: Uint8Array): Request[] {
    const { groups, place } = this.#nodes;
    const requests: Request[] = [];
    for (const [at, mate] of this.#group.entries()) {
      for (const [node, came] of this.#came) {
        const its = this.#partOf(came, groups[node].length, at);
        if (at === place) putBack(receive, groups[node], this.#bytes, its);
        else requests.push(this.#send(its, mate));
      }
      if (at === place) continue;
      for (const node of this.#by(at)) {
        const ours = new Uint8Array(groups[node].length * this.#bytes);
        this.#ours.set(node, ours);
        requests.push(this.#receive(ours, mate));
      }
    }
    return requests;
  }

  /** Of what came from a number of ranks for all mates, what is for one. */
  #partOf(came: Uint8Array, from: number, at: number): Uint8Array {
    const mates = this.#group.length;
    const numbers = Array.from({ length: from }, (_, each) => each * mates + at);
    return together(came, numbers, this.#bytes);
  }

  finish(receive: Uint8Array): void {
    for (const [node, ours] of this.#ours)
      putBack(receive, this.#nodes.groups[node], this.#bytes, ours);
  }
}
