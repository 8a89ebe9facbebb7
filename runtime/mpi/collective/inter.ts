/** The operations between two groups. Each group has a leader, its first rank, where both have to meet. */
import { inWords, lengthOf, NO_BYTES } from '../../base/bytes.ts';
import { PROC_NULL, ROOT } from '../../base/constants.ts';
import { MpiError } from '../../base/error.ts';
import {
  type Data,
  type Elements,
  type Payload,
  payloadOf,
  roomOf,
  sizeOf,
} from '../datatype/data.ts';
import type { Endpoint } from '../point-to-point/endpoint.ts';
import type { Request } from '../point-to-point/request.ts';
import { exchange, receiveOwn, sendOwn } from '../point-to-point/sendrecv.ts';
import {
  blockCount,
  blockOf,
  checkApart,
  checkTypes,
  elementsOf,
  newElements,
} from './arguments.ts';
import { dissemination } from './barrier.ts';
import { bcast } from './bcast.ts';
import { typeOfData } from './blocks.ts';
import { linear } from './gather.ts';
import type { Prepared } from './prepared.ts';
import type { Schedule } from './schedule.ts';
import {
  NO_ROOT,
  type OperationName,
  OWN_COUNT,
  plainSignature,
  type Signature,
  widthOf,
} from './signature.ts';

/** The rank of each group where both have to meet. */
export const LEADER = 0;

/** @throws MpiError ERR_RANK */
export function checkRoot(root: number, remote: number): void {
  if (root === ROOT || root === PROC_NULL) return;
  if (Number.isInteger(root) && root >= 0 && root < remote) return;
  throw new MpiError(
    'ERR_RANK',
    `the root ${inWords(root)} is no rank of the other group, which has the ranks 0 to ${remote - 1}, and neither ROOT nor PROC_NULL`,
  );
}

/** Where each group has its own root, or none knows it. */
export function signed(operation: OperationName, type: number, count: number): Signature {
  return { operation, type, count, root: NO_ROOT, op: null };
}

/** A rank that has no part in the call. */
export function idle<Result>(operation: OperationName, result: Result): Prepared<Result> {
  return {
    signature: plainSignature(operation),
    algorithm: 0,
    memory: [],
    // biome-ignore lint/correctness/useYield: it has nothing to wait for
    *schedule() {
      return result;
    },
  };
}

export function prepareInterBarrier(endpoint: Endpoint, local: Endpoint): Prepared<void> {
  return {
    signature: plainSignature('barrier'),
    algorithm: 0,
    memory: [],
    *schedule(tag) {
      // All of this group are there; then all of the other one.
      yield* dissemination(local, tag);
      if (local.rank === LEADER) yield exchange(endpoint, NO_BYTES, LEADER, NO_BYTES, LEADER, tag);
      yield* bcast(local, tag, NO_BYTES, LEADER);
    },
  };
}

export function prepareInterBcast<D extends Data | null>(
  endpoint: Endpoint,
  local: Endpoint,
  data: D,
  root: number,
): Prepared<D> {
  checkRoot(root, endpoint.size);
  if (root === PROC_NULL) return idle('bcast', data);
  const payload = root === ROOT ? payloadOf(data, 0) : roomOf(data, 0);
  const type = typeOfData(data);
  return {
    signature: signed('bcast', type, sizeOf(payload) / widthOf(type)),
    algorithm: 0,
    memory: [payload],
    *schedule(tag) {
      if (root === ROOT) yield [sendOwn(endpoint, payload, LEADER, tag)];
      else {
        if (local.rank === LEADER) yield [receiveOwn(endpoint, payload, root, tag)];
        yield* bcast(local, tag, payload, LEADER);
      }
      return data;
    },
  };
}

export function prepareInterGather<A extends Elements>(
  endpoint: Endpoint,
  send: A | null,
  receive: A | null,
  root: number,
): Prepared<A | null> {
  const { size } = endpoint;
  checkRoot(root, size);
  if (root === PROC_NULL) return idle('gather', null);
  if (root !== ROOT) {
    const { bytes, type, count } = elementsOf('gather', 'what is sent', send);
    return {
      signature: signed('gather', type, count),
      algorithm: 0,
      memory: [bytes],
      *schedule(tag) {
        yield [sendOwn(endpoint, bytes, root, tag)];
        return null;
      },
    };
  }
  const all = elementsOf('gather', 'the array for the result', receive);
  const count = blockCount('gather', 'the array for the result', all, size);
  const bytes = count * widthOf(all.type);
  return {
    signature: signed('gather', all.type, count),
    algorithm: 0,
    memory: [all.bytes],
    *schedule(tag) {
      yield receiveAll(endpoint, all.bytes, bytes, tag);
      return receive;
    },
  };
}

/** A block of each rank of the other group. */
function receiveAll(endpoint: Endpoint, all: Uint8Array, bytes: number, tag: number): Request[] {
  return Array.from({ length: endpoint.size }, (_, from) =>
    receiveOwn(endpoint, blockOf(all, from, bytes), from, tag),
  );
}

/** The blocks of a group come together at its leader; the leaders swap them, and pass on what they get. */
export function prepareInterAllgather<A extends Elements>(
  endpoint: Endpoint,
  local: Endpoint,
  send: A,
  receive: A | undefined,
): Prepared<A> {
  const mine = elementsOf('allgather', 'what is sent', send);
  const { type } = mine;
  const bytes = lengthOf(mine.bytes);
  if (receive !== undefined) {
    const all = elementsOf('allgather', 'the array for the result', receive);
    checkTypes('allgather', mine, all);
    blockCount('allgather', 'the array for the result', all, endpoint.size);
    checkApart('allgather', mine.bytes, all.bytes);
  }
  const op = receive === undefined ? 'the result left out' : null;
  return {
    signature: { ...signed('allgather', type, OWN_COUNT), op },
    algorithm: 0,
    memory: [mine.bytes],
    *schedule(tag) {
      const isLeader = local.rank === LEADER;
      let result = receive;
      if (result === undefined) {
        const count = Float64Array.of(mine.count);
        const theirs = new Float64Array(1);
        yield* swap(
          endpoint,
          local,
          tag,
          new Uint8Array(count.buffer),
          new Uint8Array(theirs.buffer),
        );
        result = newElements('allgather', send, theirs[0] * endpoint.size);
      }
      const all = isLeader ? new Uint8Array(bytes * local.size) : null;
      yield* linear(local, tag, { mine: mine.bytes, all, bytes, root: LEADER });
      const into = elementsOf('allgather', 'the array for the result', result).bytes;
      yield* swap(endpoint, local, tag, all ?? NO_BYTES, into);
      return result;
    },
  };
}

/** The leaders give each other what they have, and their groups what they get. */
export function* swap(
  endpoint: Endpoint,
  local: Endpoint,
  tag: number,
  ours: Payload,
  theirs: Payload,
): Schedule<void> {
  if (local.rank === LEADER) yield exchange(endpoint, ours, LEADER, theirs, LEADER, tag);
  yield* bcast(local, tag, theirs, LEADER);
}

export function prepareInterAlltoall<A extends Elements>(
  endpoint: Endpoint,
  send: A,
  receive: A | undefined,
): Prepared<A> {
  const { size } = endpoint;
  const from = elementsOf('alltoall', 'what is sent', send);
  const count = blockCount('alltoall', 'what is sent', from, size);
  const result = receive ?? newElements('alltoall', send, from.count);
  const into = elementsOf('alltoall', 'the array for the result', result);
  checkTypes('alltoall', from, into);
  const theirs = blockCount('alltoall', 'the array for the result', into, size);
  checkApart('alltoall', from.bytes, into.bytes);
  const width = widthOf(from.type);
  return {
    // The two directions may have blocks of two lengths.
    signature: signed('alltoall', from.type, OWN_COUNT),
    algorithm: 0,
    memory: [from.bytes, into.bytes],
    *schedule(tag) {
      const requests = receiveAll(endpoint, into.bytes, theirs * width, tag);
      for (let to = 0; to < size; to++)
        requests.push(sendOwn(endpoint, blockOf(from.bytes, to, count * width), to, tag));
      yield requests;
      return result;
    },
  };
}
