/** From all ranks to all, blocks of any length and type (MPI 4.1, 6.8: MPI_Alltoallv and MPI_Alltoallw). */
import { MpiError } from '../../base/error.ts';
import { sizeOf } from '../datatype/data.ts';
import type { Endpoint } from '../point-to-point/endpoint.ts';
import {
  DONE_IN_PLACE,
  type Exchange,
  isApart,
  isInPlace,
  pairwise,
  spread,
  swap,
} from './alltoall.ts';
import { IN_PLACE, type InPlace } from './arguments.ts';
import { type AnyBlocks, type BlockList, blocksOf } from './blocks.ts';
import type { Prepared } from './prepared.ts';
import { checkAllApart, checkOwnBlock } from './refusals.ts';
import { choose, type Table } from './select.ts';
import { plainSignature, tagOfType } from './signature.ts';

/** With more ranks one is exchanged with at a time. No rank knows the others' lengths, so they cannot decide. */
const AT_ONCE_RANKS = 64;

export const ALLTOALLV: Table<(tag: number) => Exchange> = {
  operation: 'ALLTOALLV',
  algorithms: [
    {
      name: 'swap',
      can: isInPlace,
      best: () => true,
      run: (endpoint, tag, call) => swap(endpoint, call(tag)),
    },
    {
      name: 'spread',
      can: isApart,
      best: ({ ranks }) => ranks <= AT_ONCE_RANKS,
      run: (endpoint, tag, call) => spread(endpoint, call(tag)),
    },
    {
      name: 'pairwise',
      can: isApart,
      best: () => true,
      run: (endpoint, tag, call) => pairwise(endpoint, call(tag)),
    },
  ],
};

const SIGNATURE = plainSignature('alltoallv');
const SIGNATURE_IN_PLACE = { ...SIGNATURE, op: DONE_IN_PLACE };

export function prepareAlltoallv<B extends AnyBlocks>(
  endpoint: Endpoint,
  send: AnyBlocks | InPlace,
  receive: B | undefined,
): Prepared<B> {
  const { rank, size } = endpoint;
  const result = checkResult(receive);
  const into = blocksOf('alltoallv', 'receive', result, size);
  const inPlace = send === IN_PLACE || (send as unknown) === result;
  const from = inPlace ? into : blocksOf('alltoallv', 'send', send as AnyBlocks, size);
  checkOwnBlock('alltoallv', from.payloads[rank], into.payloads[rank]);
  if (!inPlace) checkAllApart('alltoallv', from.payloads, into.payloads);
  const { algorithm, number } = choose(ALLTOALLV, { ranks: size, bytes: 0, inPlace });
  const call = (tag: number) => exchangeOf(tag, from, into);
  return {
    signature: inPlace ? SIGNATURE_IN_PLACE : SIGNATURE,
    algorithm: number,
    memory: inPlace ? into.payloads : [...from.payloads, ...into.payloads],
    *schedule(tag) {
      yield* algorithm.run(endpoint, tag, call);
      return result;
    },
  };
}

/** @throws MpiError ERR_ARG: of what all others send a rank knows nothing */
function checkResult<B extends AnyBlocks>(receive: B | undefined): B {
  if (receive !== undefined) return receive;
  throw new MpiError(
    'ERR_ARG',
    'alltoallv: there are no blocks to receive: pass one for each rank, as long as what that rank sends',
  );
}

/** The type of a block is in the tag of its message: it is the pair's alone. */
export function exchangeOf(tag: number, send: BlockList, receive: BlockList): Exchange {
  return {
    send: send.payloads,
    receive: receive.payloads,
    sendTag: (to) => tagOfType(tag, typeAt(send, to)),
    receiveTag: (from) => tagOfType(tag, typeAt(receive, from)),
  };
}

/** An empty block has no type. */
function typeAt({ payloads, types }: BlockList, rank: number): number {
  return sizeOf(payloads[rank]) === 0 ? 0 : types[rank];
}
