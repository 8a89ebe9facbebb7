/** What a rank believes of what is said to it: what knows the job's secret has said, to this rank, and now. */
import { expect, test } from 'vitest';
import {
  newNonce,
  newSecret,
  parseSecret,
  Secret,
} from '../../../../transports/ofi/connect/secret.ts';

const KEY_HIGH = 7;
const secret = parseSecret(newSecret());
const here = new Secret(secret, 0);
const peer = new Secret(secret, 1);
const stranger = new Secret(parseSecret(newSecret()), 1);
const own = newNonce();
const theirs = newNonce();

test('ranks of one job believe each other', () => {
  expect(here.read(1, peer.hello(0, theirs), null)).toMatchObject({ kind: 'hello', nonce: theirs });
  expect(here.read(1, peer.proof(0, theirs, own, KEY_HIGH), own)).toEqual({
    kind: 'proof',
    nonce: theirs,
    keyHigh: KEY_HIGH,
  });
});

test.each([
  ['a hello of another job', 1, stranger.hello(0, theirs)],
  ['a proof of another job', 1, stranger.proof(0, theirs, own, KEY_HIGH)],
  ['a hello in the name of another rank', 2, peer.hello(0, theirs)],
  ['a proof in the name of another rank', 2, peer.proof(0, theirs, own, KEY_HIGH)],
  ['a hello to another rank', 1, peer.hello(2, theirs)],
  ['a proof to another rank', 1, peer.proof(2, theirs, own, KEY_HIGH)],
  ['an old proof: of another nonce', 1, peer.proof(0, theirs, newNonce(), KEY_HIGH)],
  ['less than there has to be', 1, peer.hello(0, theirs).subarray(0, -1)],
])('%s is not believed', (_what, from, said) => {
  expect(here.read(from, said, own)).toBeNull();
});

test('nor is a proof that nobody waits for', () => {
  expect(here.read(1, peer.proof(0, theirs, own, KEY_HIGH), null)).toBeNull();
});

test('no bit of what counts can be another', () => {
  const hello = peer.hello(0, theirs);
  // A hello has this word of the keys, and nobody looks at it.
  const unused = (said: Buffer, bit: number) => said === hello && bit >> 5 === 3;
  for (const said of [hello, peer.proof(0, theirs, own, KEY_HIGH)])
    for (let bit = 0; bit < said.length * 8; bit++) {
      if (unused(said, bit)) continue;
      const changed = Buffer.from(said);
      changed[bit >> 3] ^= 1 << (bit & 7);
      expect(here.read(1, changed, own), `bit ${bit}`).toBeNull();
    }
});
