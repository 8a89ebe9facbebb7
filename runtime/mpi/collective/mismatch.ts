/** Errors of ranks whose collective calls do not fit together. */
import { MpiError } from '../../base/error.ts';
import type { Request } from '../point-to-point/request.ts';
import type { Call } from './call.ts';
import { callInWords } from './signature.ts';

/** Why a call cannot end, as a TELL_CALL says it; CALL_FREED is 1. */
export const MISMATCHED = 2;
export const FAILED_THERE = 3;
/** The call has ended there, so nothing more will come. */
export const OVER = 4;

/** A call and where it is, for a person. */
export function callAt(call: Call, place: string): string {
  const where = place === '' ? '' : `\n${place.replace(/^\s*/gm, '      ')}`;
  const which = call.number < 0 ? `persistent call ${-call.number}` : `call ${call.number}`;
  return `${callInWords(call.signature)} as ${which}${where}`;
}

/** Both sides of it. @param ours and theirs as {@link callAt} has them; the ranks are the world's */
export function mismatchText(
  communicator: string,
  rank: number,
  ours: string,
  other: number,
  theirs: string,
): string {
  return `the ranks of ${communicator} do not make the same collective calls:\n  rank ${rank} makes ${ours}\n  rank ${other} makes ${theirs}\n  All ranks of a communicator make the same calls in the same order, with the same types, lengths, roots and ops.`;
}

export function mismatch(text: string, rank: number, peer?: number): MpiError {
  return new MpiError('ERR_MISMATCH', text, peer === undefined ? { rank } : { rank, peer });
}

/** @throws MpiError ERR_MISMATCH where a message has not the length that this rank expects */
export function checkLengths(parts: readonly Request[], call: Call): void {
  for (let i = 0; i < parts.length; i++) {
    const part = parts[i];
    if (part.matchedLength !== part.length && !part.isSend) throw wrongLength(part, call);
  }
}

function wrongLength({ owner, peer, matchedLength, length }: Request, call: Call): MpiError {
  const rank = owner.engine.rank;
  return mismatch(
    `rank ${rank} expects ${length} bytes of rank ${peer} in ${callInWords(call.signature)} on ${owner.name}, and got ${matchedLength}: the lengths that the two ranks pass do not fit`,
    rank,
    peer,
  );
}

/** What a schedule is told of a round that failed: a message that was too long is no matter of a single receive. */
export function ofRound(error: MpiError, call: Call | null): MpiError {
  if (call === null || error.code !== 'ERR_TRUNCATE') return error;
  return new MpiError(
    'ERR_MISMATCH',
    `the lengths that two ranks pass to ${callInWords(call.signature)} do not fit: ${error.message}`,
    { rank: call.book.endpoint.engine.rank, peer: error.peer as number, cause: error },
  );
}
