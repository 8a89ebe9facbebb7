/** Barrier (MPI 4.1, 6.3). */
import type { Endpoint } from '../point-to-point/endpoint.ts';
import { areSeveral, areShared, barrierAcross, NODES } from './across-nodes.ts';
import { LineBarrier } from './lines/barrier.ts';
import { type Nodes, nodesOf } from './nodes.ts';
import { disseminate } from './patterns.ts';
import type { Prepared } from './prepared.ts';
import type { Schedule } from './schedule.ts';
import { choose, chooseLines, type Table } from './select.ts';
import { plainSignature } from './signature.ts';

const SIGNATURE = plainSignature('barrier');

export const BARRIER: Table<null> = {
  operation: 'BARRIER',
  lines: { make: (lines) => new LineBarrier(lines) },
  algorithms: [
    {
      name: NODES,
      can: areSeveral,
      best: areShared,
      run: (endpoint, tag) => barrierAcross(endpoint, tag, nodesOf(endpoint) as Nodes),
    },
    { name: 'dissemination', best: () => true, run: dissemination },
  ],
};

export function prepareBarrier(endpoint: Endpoint): Prepared<void> {
  const shape = { ranks: endpoint.size, bytes: 0, nodes: nodesOf(endpoint) };
  const { algorithm, number } = choose(BARRIER, shape);
  return {
    line: chooseLines(BARRIER, shape, null, SIGNATURE, () => undefined),
    signature: SIGNATURE,
    algorithm: number,
    memory: [],
    schedule: (tag) => algorithm.run(endpoint, tag, null),
  };
}

/**
 * In round k every rank signals the one 2^k further on and waits for the one 2^k before it; after log2(size)
 * rounds each has heard of all.
 */
export function* dissemination(endpoint: Endpoint, tag: number): Schedule<void> {
  const { rank, size } = endpoint;
  yield* disseminate(endpoint, tag, rank, size, (place) => place);
}
