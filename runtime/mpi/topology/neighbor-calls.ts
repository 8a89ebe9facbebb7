/** Collective operations among neighbours (MPI 4.1, 8.6): what is checked of their arguments, before anything is sent. */
import { lengthOf } from '../../base/bytes.ts';
import { MpiError } from '../../base/error.ts';
import {
  blockOf,
  checkApart,
  checkTypes,
  type Dense,
  elementsOf,
} from '../collective/arguments.ts';
import { type AnyBlocks, type Blocks, blocksOf, typeOfData } from '../collective/blocks.ts';
import type { Prepared } from '../collective/prepared.ts';
import { checkAllApart, checkOwnBlock } from '../collective/refusals.ts';
import { NO_ROOT, NO_TYPE, type OperationName, OWN_COUNT } from '../collective/signature.ts';
import { type Elements, type Payload, payloadOf, type Strided } from '../datatype/data.ts';
import type { Endpoint } from '../point-to-point/endpoint.ts';
import {
  type Exchange,
  exchangeOf,
  type NeighborBlocks,
  type Neighborhood,
  runExchange,
} from './neighborhood.ts';

const SENT = 'what is sent';
const RESULT = 'the array for the result';

export function prepareNeighborAllgather<A extends Elements>(
  endpoint: Endpoint,
  neighbors: Neighborhood,
  send: A,
  receive: A,
): Prepared<A> {
  const operation = 'neighborAllgather';
  const { sources, destinations } = neighbors;
  const mine = elementsOf(operation, SENT, send);
  const all = elementsOf(operation, RESULT, receive);
  checkTypes(operation, mine, all);
  checkCount(operation, all, mine.count, sources.length);
  checkApart(operation, mine.bytes, all.bytes);
  const from = { payloads: destinations.map(() => mine.bytes), types: null };
  const into = { payloads: divided(all, sources.length), types: null };
  return prepared(endpoint, neighbors, operation, mine.type, from, into, receive);
}

export function prepareNeighborAllgatherv<A extends Elements>(
  endpoint: Endpoint,
  neighbors: Neighborhood,
  send: A | Strided<A>,
  receive: Blocks<A>,
): Prepared<Blocks<A>> {
  const operation = 'neighborAllgatherv';
  const { sources, destinations } = neighbors;
  const mine = payloadOf(send, 0);
  const type = typeOfData(send);
  const from = { payloads: destinations.map(() => mine), types: destinations.map(() => type) };
  const into = blocksOf(operation, 'receive', receive, sources.length, 'neighbour');
  return prepared(endpoint, neighbors, operation, NO_TYPE, from, into, receive);
}

export function prepareNeighborAlltoall<A extends Elements>(
  endpoint: Endpoint,
  neighbors: Neighborhood,
  send: A,
  receive: A,
): Prepared<A> {
  const operation = 'neighborAlltoall';
  const { sources, destinations } = neighbors;
  const all = elementsOf(operation, SENT, send);
  const room = elementsOf(operation, RESULT, receive);
  checkTypes(operation, all, room);
  const count = blockCount(operation, SENT, all, destinations.length);
  checkCount(operation, room, count, sources.length);
  checkApart(operation, all.bytes, room.bytes);
  const from = { payloads: divided(all, destinations.length), types: null };
  const into = { payloads: divided(room, sources.length), types: null };
  return prepared(endpoint, neighbors, operation, all.type, from, into, receive);
}

export function prepareNeighborAlltoallv<B extends AnyBlocks>(
  endpoint: Endpoint,
  neighbors: Neighborhood,
  send: AnyBlocks,
  receive: B,
): Prepared<B> {
  const operation = 'neighborAlltoallv';
  const from = blocksOf(operation, 'send', send, neighbors.destinations.length, 'neighbour');
  const into = blocksOf(operation, 'receive', receive, neighbors.sources.length, 'neighbour');
  return prepared(endpoint, neighbors, operation, NO_TYPE, from, into, receive);
}

function prepared<Result>(
  endpoint: Endpoint,
  neighbors: Neighborhood,
  operation: OperationName,
  type: number,
  from: NeighborBlocks,
  into: NeighborBlocks,
  result: Result,
): Prepared<Result> {
  const exchange = exchangeOf(endpoint.rank, neighbors, from, into);
  for (const { from: own, to } of exchange.copies) {
    checkOwnBlock(operation, own.payload, to.payload);
    if (own.mark !== to.mark) throw ownType(operation);
  }
  checkAllApart(operation, payloadsOf(exchange, 'from'), payloadsOf(exchange, 'to'));
  return {
    // Lengths are those of each pair: whoever has no neighbours knows none.
    signature: { operation, type, count: OWN_COUNT, root: NO_ROOT, op: null },
    algorithm: 0,
    memory: [...payloadsOf(exchange, 'from'), ...payloadsOf(exchange, 'to')],
    *schedule(tag) {
      yield* runExchange(endpoint, tag, exchange);
      return result;
    },
  };
}

function payloadsOf({ sends, receives, copies }: Exchange, side: 'from' | 'to'): Payload[] {
  const parts = [...(side === 'from' ? sends : receives), ...copies.map((copy) => copy[side])];
  return parts.map(({ payload }) => payload);
}

/** The blocks of an array, one for each neighbour. */
function divided({ bytes }: Dense, neighbors: number): Uint8Array[] {
  const length = lengthOf(bytes) / neighbors;
  return Array.from({ length: neighbors }, (_, i) => blockOf(bytes, i, length));
}

/** The elements of a block; null: there is nobody who has one. @throws MpiError ERR_COUNT */
function blockCount(
  operation: OperationName,
  what: string,
  { count }: Dense,
  neighbors: number,
): number | null {
  if (neighbors === 0 && count === 0) return null;
  if (neighbors > 0 && count % neighbors === 0) return count / neighbors;
  throw new MpiError(
    'ERR_COUNT',
    `${operation}: ${what} has ${count} elements, which is no block of the same length for each of ${neighbors} neighbours`,
  );
}

/** @throws MpiError ERR_COUNT where the room is not that of blocks as long as those that are sent */
function checkCount(
  operation: OperationName,
  room: Dense,
  sent: number | null,
  neighbors: number,
): void {
  const count = blockCount(operation, RESULT, room, neighbors);
  if (count === null || sent === null || count === sent) return;
  throw new MpiError(
    'ERR_COUNT',
    `${operation}: ${RESULT} has blocks of ${count} elements, and those that are sent have ${sent}`,
  );
}

function ownType(operation: OperationName): MpiError {
  return new MpiError(
    'ERR_BUFFER',
    `${operation}: this rank sends itself a block of one type, and has one of another type for it`,
  );
}
