/** What one rank of a group does for all of it, when two groups make something together. */
import { MpiError } from '../../base/error.ts';
import { bcast } from '../collective/bcast.ts';
import type { Schedule } from '../collective/schedule.ts';
import type { Endpoint } from '../point-to-point/endpoint.ts';

/** In the first of the words: what the leader did failed. */
const FAILED = -4;

/** The bytes of numbers. */
export function bytesOf(words: Float64Array): Uint8Array {
  return new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
}

/**
 * The leader fills `words`; then all of its group have them.
 * @throws MpiError what the leader failed with; at the others ERR_PEER_FAILED
 */
export function* throughLeader(
  local: Endpoint,
  tag: number,
  leader: number,
  words: Float64Array,
  work: () => Schedule<void>,
): Schedule<void> {
  let failure: unknown = null;
  if (local.rank === leader)
    try {
      yield* work();
    } catch (error) {
      failure = error;
      words[0] = FAILED;
    }
  yield* bcast(local, tag, bytesOf(words), leader);
  if (failure !== null) throw failure;
  if (words[0] !== FAILED) return;
  throw new MpiError(
    'ERR_PEER_FAILED',
    `rank ${leader}, the leader of this group, could not reach the other group: its own error says why`,
    { rank: local.rank, peer: leader },
  );
}
