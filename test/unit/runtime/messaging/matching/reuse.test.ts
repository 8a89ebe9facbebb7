/** A small message that waits for its receive is an object that was another message before. */
import { afterEach, expect, test } from 'vitest';
import { ANY_SOURCE, ANY_TAG } from '../../../../../runtime/base/constants.ts';
import { closeScenes, scene, settle } from '../flow/scene.ts';

afterEach(closeScenes);

test('an object is used again, whatever patterns it has stood in and of whatever size it was', () => {
  const made = scene(1);
  const [[w0], [w1]] = made.comms;
  const got = new Uint8Array(64);
  for (let round = 0; round < 20; round++) {
    // Longest first, and the other way round.
    const lengths = round % 2 === 0 ? [64, 8, 1] : [1, 8, 64];
    for (const [i, length] of lengths.entries())
      w0.isend(new Uint8Array(length).fill(10 * round + i), 1, round + i);
    settle(made);
    // From the second round on, messages stand in bins of wildcards, too.
    if (round > 0) expect(w1.iprobe(ANY_SOURCE, ANY_TAG)).toMatchObject({ source: 0, tag: round });
    for (const i of [2, 0, 1]) {
      const status = w1.recvSync(got, 0, round + i);
      expect(status).toMatchObject({ source: 0, tag: round + i, byteLength: lengths[i] });
      expect(got.subarray(0, lengths[i])).toEqual(new Uint8Array(lengths[i]).fill(10 * round + i));
    }
    expect(w1.iprobe()).toBe(null);
  }
});
