/** On which nodes the ranks of a communicator are: calls go within the nodes, and across them. All ranks see the same. */
import type { Endpoint } from '../point-to-point/endpoint.ts';

export interface Nodes {
  /** The ranks of each node, ascending; the nodes in the order of their first ranks. */
  readonly groups: readonly (readonly number[])[];
  /** The number of this rank's node, and its place among the ranks of it. */
  readonly mine: number;
  readonly place: number;
  /** All ranks of a node come before those of the next one. */
  readonly ordered: boolean;
  /** Some node has more than one rank. */
  readonly shared: boolean;
}

const known = new WeakMap<Endpoint, Nodes | undefined>();

/** Undefined where all ranks are on one node. */
export function nodesOf(endpoint: Endpoint): Nodes | undefined {
  if (endpoint.engine.nodes.length === 0) return undefined;
  if (!known.has(endpoint)) known.set(endpoint, find(endpoint));
  return known.get(endpoint);
}

function find({ engine, members, size, rank }: Endpoint): Nodes | undefined {
  const byName = new Map<string, number[]>();
  for (let member = 0; member < size; member++) {
    const name = engine.nodes[members.worldOf(member)];
    const group = byName.get(name);
    if (group === undefined) byName.set(name, [member]);
    else group.push(member);
  }
  return byName.size > 1 ? nodesAmong([...byName.values()], rank) : undefined;
}

export function nodesAmong(groups: readonly (readonly number[])[], rank: number): Nodes {
  const mine = groups.findIndex((group) => group.includes(rank));
  return {
    groups,
    mine,
    place: groups[mine].indexOf(rank),
    ordered: groups.flat().every((member, at) => member === at),
    shared: groups.some(({ length }) => length > 1),
  };
}
