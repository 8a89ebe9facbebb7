/** Collective operations on values: the lengths travel first, then the bytes. */
import { inWords } from '../../base/bytes.ts';
import { MpiError } from '../../base/error.ts';
import type { Endpoint } from '../point-to-point/endpoint.ts';
import type { Codec } from '../point-to-point/objects/codec.ts';
import { receiveOwn, sendOwn } from '../point-to-point/sendrecv.ts';
import { ALLGATHERV, allgatherNumbers } from './allgather.ts';
import { spread } from './alltoall.ts';
import { checkRoot } from './arguments.ts';
import { bcast } from './bcast.ts';
import { linear as gather } from './gather.ts';
import { memory, packObject, unpackObject } from './packed-objects.ts';
import type { Prepared } from './prepared.ts';
import type { Schedule } from './schedule.ts';
import { choose } from './select.ts';
import { NO_ROOT, NO_TYPE, type OperationName, OWN_COUNT } from './signature.ts';

/** Where values come from and go to, and how they become bytes. */
export interface Values<T> {
  readonly endpoint: Endpoint;
  readonly codec: Codec<T>;
}

type Combine<T> = (lower: T, higher: T) => T;

function prepared<R>(
  operation: OperationName,
  root: number,
  schedule: (tag: number) => Schedule<R>,
): Prepared<R> {
  const signature = { operation, type: NO_TYPE, count: OWN_COUNT, root, op: null };
  return { signature, algorithm: 0, memory: [], schedule };
}

/** The function, whose errors are those of the call. @throws MpiError ERR_ARG where it is none, or throws */
function checked<T>(operation: OperationName, combine: Combine<T>): Combine<T> {
  if (typeof combine === 'function')
    return (lower, higher) => {
      try {
        return combine(lower, higher);
      } catch (cause) {
        const why = `${operation}: the function that combines two values threw ${cause}`;
        throw new MpiError('ERR_ARG', why, { cause });
      }
    };
  throw new MpiError('ERR_ARG', `${operation}: ${inWords(combine)} is no function of two values`);
}

/** @throws MpiError ERR_COUNT */
function checkValues(operation: OperationName, values: unknown, size: number): void {
  if (Array.isArray(values) && values.length === size) return;
  const what = Array.isArray(values) ? `${values.length} values` : inWords(values);
  throw new MpiError(
    'ERR_COUNT',
    `${operation}: pass one value for each of ${size} ranks, not ${what}`,
  );
}

export function bcastObject<T>(values: Values<T>, value: T, root: number): Prepared<T> {
  const { endpoint, codec } = values;
  checkRoot(root, endpoint.size);
  const isRoot = endpoint.rank === root;
  const mine = isRoot ? packObject(codec, value) : null;
  return prepared('objects().bcast', root, function* (tag) {
    const packed = yield* bcastBytes(endpoint, tag, mine, root);
    return isRoot ? value : unpackObject(codec, packed);
  });
}

/** @param mine the root's */
function* bcastBytes(
  endpoint: Endpoint,
  tag: number,
  mine: Uint8Array | null,
  root: number,
): Schedule<Uint8Array> {
  const length = Float64Array.of(mine?.length ?? 0);
  yield* bcast(endpoint, tag, new Uint8Array(length.buffer), root);
  const packed = mine ?? memory(length[0]);
  yield* bcast(endpoint, tag, packed, root);
  return packed;
}

export function gatherObjects<T>(values: Values<T>, value: T, root: number): Prepared<T[] | null> {
  checkRoot(root, values.endpoint.size);
  const mine = packObject(values.codec, value);
  return prepared('objects().gather', root, (tag) => gathered(values, tag, mine, root));
}

function* gathered<T>(
  { endpoint, codec }: Values<T>,
  tag: number,
  mine: Uint8Array,
  root: number,
): Schedule<T[] | null> {
  const { rank, size } = endpoint;
  const isRoot = rank === root;
  const lengths = isRoot ? new Float64Array(size) : null;
  const all = lengths === null ? null : new Uint8Array(lengths.buffer);
  const length = new Uint8Array(Float64Array.of(mine.length).buffer);
  yield* gather(endpoint, tag, { mine: length, all, bytes: 8, root });
  if (lengths === null) {
    yield [sendOwn(endpoint, mine, root, tag)];
    return null;
  }
  const blocks = Array.from(lengths, (bytes, from) => (from === rank ? mine : memory(bytes)));
  const others = blocks.map((_, from) => from).filter((from) => from !== rank);
  yield others.map((from) => receiveOwn(endpoint, blocks[from], from, tag));
  return blocks.map((block) => unpackObject(codec, block));
}

export function allgatherObjects<T>(values: Values<T>, value: T): Prepared<T[]> {
  const mine = packObject(values.codec, value);
  return prepared('objects().allgather', NO_ROOT, (tag) => allgathered(values, tag, mine));
}

function* allgathered<T>(
  { endpoint, codec }: Values<T>,
  tag: number,
  mine: Uint8Array,
): Schedule<T[]> {
  const { rank, size } = endpoint;
  const lengths = yield* allgatherNumbers(endpoint, tag, Float64Array.of(mine.length));
  const blocks = Array.from(lengths, (bytes, from) => (from === rank ? mine : memory(bytes)));
  const bytes = lengths.reduce((sum, length) => sum + length, 0);
  yield* choose(ALLGATHERV, { ranks: size, bytes }).algorithm.run(endpoint, tag, blocks);
  return blocks.map((block) => unpackObject(codec, block));
}

export function scatterObjects<T>(
  { endpoint, codec }: Values<T>,
  values: readonly T[] | null,
  root: number,
): Prepared<T> {
  const { rank, size } = endpoint;
  checkRoot(root, size);
  if (rank !== root)
    return prepared('objects().scatter', root, function* (tag) {
      const length = new Float64Array(1);
      yield [receiveOwn(endpoint, new Uint8Array(length.buffer), root, tag)];
      const packed = memory(length[0]);
      yield [receiveOwn(endpoint, packed, root, tag)];
      return unpackObject(codec, packed);
    });
  checkValues('objects().scatter', values, size);
  const blocks = (values as readonly T[]).map((value) => packObject(codec, value));
  return prepared('objects().scatter', root, function* (tag) {
    const others = blocks.map((_, to) => to).filter((to) => to !== rank);
    yield others.flatMap((to) => [
      sendOwn(endpoint, new Uint8Array(Float64Array.of(blocks[to].length).buffer), to, tag),
      sendOwn(endpoint, blocks[to], to, tag),
    ]);
    return unpackObject(codec, blocks[rank]);
  });
}

export function alltoallObjects<T>(
  { endpoint, codec }: Values<T>,
  values: readonly T[],
): Prepared<T[]> {
  checkValues('objects().alltoall', values, endpoint.size);
  const send = values.map((value) => packObject(codec, value));
  return prepared('objects().alltoall', NO_ROOT, function* (tag) {
    const tags = { sendTag: () => tag, receiveTag: () => tag };
    const lengths = send.map(() => new Float64Array(1));
    yield* spread(endpoint, {
      send: send.map(({ length }) => new Uint8Array(Float64Array.of(length).buffer)),
      receive: lengths.map(({ buffer }) => new Uint8Array(buffer)),
      ...tags,
    });
    const receive = lengths.map(([length]) => memory(length));
    yield* spread(endpoint, { send, receive, ...tags });
    return receive.map((block) => unpackObject(codec, block));
  });
}

export function reduceObjects<T>(
  values: Values<T>,
  value: T,
  combine: Combine<T>,
  root: number,
): Prepared<T | null> {
  checkRoot(root, values.endpoint.size);
  const both = checked('objects().reduce', combine);
  const mine = packObject(values.codec, value);
  return prepared('objects().reduce', root, function* (tag) {
    const all = yield* gathered(values, tag, mine, root);
    return all === null ? null : all.reduce((lower, higher) => both(lower, higher));
  });
}

export function allreduceObjects<T>(values: Values<T>, value: T, combine: Combine<T>): Prepared<T> {
  const both = checked('objects().allreduce', combine);
  const mine = packObject(values.codec, value);
  return prepared('objects().allreduce', NO_ROOT, function* (tag) {
    const all = yield* allgathered(values, tag, mine);
    return all.reduce((lower, higher) => both(lower, higher));
  });
}

export function scanObjects<T>(values: Values<T>, value: T, combine: Combine<T>): Prepared<T> {
  const both = checked('objects().scan', combine);
  return prepared('objects().scan', NO_ROOT, function* (tag) {
    const { endpoint } = values;
    const upToHere = endpoint.rank === 0 ? value : both(yield* fromBefore(values, tag), value);
    yield* toNext(values, tag, upToHere);
    return upToHere;
  });
}

export function exscanObjects<T>(
  values: Values<T>,
  value: T,
  combine: Combine<T>,
): Prepared<T | undefined> {
  const both = checked('objects().exscan', combine);
  const { codec, endpoint } = values;
  return prepared('objects().exscan', NO_ROOT, function* (tag) {
    if (endpoint.rank === 0) {
      yield* toNext(values, tag, value);
      return undefined;
    }
    const packed = yield* takeFrom(endpoint, tag, endpoint.rank - 1);
    const before = unpackObject(codec, packed);
    // `both` may change what it gets.
    if (endpoint.rank < endpoint.size - 1)
      yield* toNext(values, tag, both(unpackObject(codec, packed), value));
    return before;
  });
}

function* fromBefore<T>({ endpoint, codec }: Values<T>, tag: number): Schedule<T> {
  return unpackObject(codec, yield* takeFrom(endpoint, tag, endpoint.rank - 1));
}

function* takeFrom(endpoint: Endpoint, tag: number, from: number): Schedule<Uint8Array> {
  const length = new Float64Array(1);
  yield [receiveOwn(endpoint, new Uint8Array(length.buffer), from, tag)];
  const packed = memory(length[0]);
  yield [receiveOwn(endpoint, packed, from, tag)];
  return packed;
}

function* toNext<T>({ endpoint, codec }: Values<T>, tag: number, value: T): Schedule<void> {
  const to = endpoint.rank + 1;
  if (to === endpoint.size) return;
  const packed = packObject(codec, value);
  const length = new Uint8Array(Float64Array.of(packed.length).buffer);
  yield [sendOwn(endpoint, length, to, tag), sendOwn(endpoint, packed, to, tag)];
}
