/** Errors that several operations have in common. */
import { bufferOf, isBytes, lengthOf } from '../../base/bytes.ts';
import { MpiError } from '../../base/error.ts';
import { type Payload, sizeOf } from '../datatype/data.ts';
import { checkApart, isSame } from './arguments.ts';
import type { OperationName } from './signature.ts';

/** IN_PLACE at a rank that has no place for it. */
export function rootsOnly(operation: OperationName): MpiError {
  return new MpiError(
    'ERR_BUFFER',
    `${operation}: IN_PLACE is for the root alone, and another rank passes its own array`,
  );
}

/**
 * A rank's own block is copied, so what it sends is as long as what it receives of itself.
 * @throws MpiError ERR_COUNT; ERR_BUFFER where the two overlap
 */
export function refuseInPlace(
  operation: OperationName,
  mine: Payload,
  blocks: readonly Payload[],
  rank: number,
): void {
  checkOwnBlock(operation, mine, blocks[rank]);
  if (!isBytes(mine)) return;
  for (const [from, block] of blocks.entries())
    if (isBytes(block) && !(from === rank && isSame(mine, block)))
      checkApart(operation, mine, block);
}

/** @throws MpiError ERR_COUNT */
export function checkOwnBlock(operation: OperationName, send: Payload, receive: Payload): void {
  if (sizeOf(send) === sizeOf(receive)) return;
  throw new MpiError(
    'ERR_COUNT',
    `${operation}: this rank sends ${sizeOf(send)} bytes to itself, and has ${sizeOf(receive)} bytes for them`,
  );
}

/** @throws MpiError ERR_BUFFER where a block to send and one to receive have bytes in common, as far as both lie side by side */
export function checkAllApart(
  operation: OperationName,
  send: readonly Payload[],
  receive: readonly Payload[],
): void {
  const full = (block: Payload) => isBytes(block) && lengthOf(block) > 0;
  const into = receive.filter(full) as Uint8Array[];
  const memories = new Set(into.map(bufferOf));
  for (const block of send as readonly Uint8Array[])
    if (full(block) && memories.has(bufferOf(block)))
      for (const other of into) checkApart(operation, block, other);
}
