/**
 * Operations of ranks on several nodes: within each node, then across by ranks of equal places in their nodes, then within. So bytes go
 * from a node to another one once, and all ranks of a node have a part in it.
 */
import { NO_BYTES, store } from '../../base/bytes.ts';
import type { Payload } from '../datatype/data.ts';
import type { Endpoint } from '../point-to-point/endpoint.ts';
import type { Request } from '../point-to-point/request.ts';
import { receiveOwn, sendOwn } from '../point-to-point/sendrecv.ts';
import { blockOf } from './arguments.ts';
import type { Nodes } from './nodes.ts';
import { bcastAmong, disseminate } from './patterns.ts';
import type { Schedule } from './schedule.ts';
import type { Shape } from './select.ts';

/** As DREG_COLL_… names them. */
export const NODES = 'nodes';

/** Whether it is worth while: some ranks are together, and not all. */
export const areShared = ({ nodes }: Shape): boolean => nodes?.shared === true;
export const areSeveral = ({ nodes }: Shape): boolean => nodes !== undefined;

/** A node's first rank hears of its others, the first ones of each other, and the others of it. */
export function* barrierAcross(endpoint: Endpoint, tag: number, nodes: Nodes): Schedule<void> {
  const { groups, mine, place } = nodes;
  const [first, ...others] = groups[mine];
  if (place > 0) {
    yield [sendOwn(endpoint, NO_BYTES, first, tag)];
    yield [receiveOwn(endpoint, NO_BYTES, first, tag)];
    return;
  }
  yield others.map((rank) => receiveOwn(endpoint, NO_BYTES, rank, tag));
  yield* disseminate(endpoint, tag, mine, groups.length, (node) => groups[node][0]);
  yield others.map((rank) => sendOwn(endpoint, NO_BYTES, rank, tag));
}

/** Each node gets it once. */
export function* bcastAcross(
  endpoint: Endpoint,
  tag: number,
  nodes: Nodes,
  { payload, root }: { readonly payload: Payload; readonly root: number },
): Schedule<void> {
  const { groups, mine, place } = nodes;
  const origin = groups.findIndex((group) => group.includes(root));
  const headOf = (node: number) => (node === origin ? groups[node].indexOf(root) : 0);
  const head = headOf(mine);
  const nodeAt = (step: number) => (step + origin) % groups.length;
  if (place === head) {
    const step = (mine - origin + groups.length) % groups.length;
    const rankAt = (to: number) => groups[nodeAt(to)][headOf(nodeAt(to))];
    yield* bcastAmong(endpoint, tag, payload, step, groups.length, rankAt);
  }
  const { length } = groups[mine];
  const step = (place - head + length) % length;
  const mateAt = (to: number) => groups[mine][(to + head) % length];
  yield* bcastAmong(endpoint, tag, payload, step, length, mateAt);
}

/** A block goes to each node once: there the rank of that place has it, and passes it on. */
export function* allgatherAcross(
  endpoint: Endpoint,
  tag: number,
  nodes: Nodes,
  { all, mine, bytes }: { all: Uint8Array; mine: Uint8Array | null; bytes: number },
): Schedule<void> {
  const { groups, mine: node, place } = nodes;
  const { rank } = endpoint;
  const group = groups[node];
  const others = groups.filter((other) => other !== group);
  const block = (of: number) => blockOf(all, of, bytes);
  if (mine !== null) store(all, mine, rank * bytes);
  /** What the rank of a place here gets from other nodes. */
  const comesTo = (at: number) =>
    others.flatMap((other) => other.filter((_, from) => from % group.length === at));
  const came = comesTo(place);
  yield [
    ...came.map((from) => receiveOwn(endpoint, block(from), from, tag)),
    ...others.map((other) => sendOwn(endpoint, block(rank), other[place % other.length], tag)),
  ];
  const requests: Request[] = [];
  for (const [at, mate] of group.entries())
    if (mate !== rank)
      for (const of of [mate, ...comesTo(at)])
        requests.push(receiveOwn(endpoint, block(of), mate, tag));
  for (const mate of group)
    if (mate !== rank)
      for (const of of [rank, ...came]) requests.push(sendOwn(endpoint, block(of), mate, tag));
  yield requests;
}
