/** Rank 1 leaves; rank 0 still waits for it. argv[2] says how. */
import { ANY_SOURCE, MPI } from '../../../../runtime/index.ts';
import { assert, filled, pause, rejects, sayOk, throws, verify } from '../../lib.ts';

const world = MPI.world;
const LARGE = 8 * 2 ** 20;
const GONE = 'ERR_PEER_FAILED';
const bytes = new Uint8Array(LARGE);

/** Whether a peer that leaves is noticed must not depend on when it left. */
const cases: Record<string, () => unknown> = {
  recvSync: () => throws(GONE, () => world.recvSync(bytes, 1)),
  'recvSync from any': () => throws(GONE, () => world.recvSync(bytes, ANY_SOURCE)),
  'await recv': () => rejects(GONE, world.recv(bytes, 1)),
  'await recv from any': () => rejects(GONE, world.recv(bytes, ANY_SOURCE)),
  async 'sendSync, large'() {
    throws(GONE, () => world.sendSync(bytes, 1));
  },
  'await send, large': () => rejects(GONE, world.send(bytes, 1)),
  'sendSync, many'() {
    throws(GONE, () => {
      for (let i = 0; i < 1_000_000; i++) world.sendSync(bytes.subarray(0, 8), 1);
    });
  },
  barrierSync: () => throws(GONE, () => world.barrierSync()),
  'await barrier': () => rejects(GONE, world.barrier()),
  async 'what it sent before'() {
    // That it left is known before they are taken.
    throws(GONE, () => world.recvSync(bytes, 1, 999));
    // Small messages came whole, in any number; they may be taken long after.
    for (let i = 40; i > 0; i--) {
      const got = new Uint8Array(i * 10);
      if (i % 2) world.recvSync(got, 1, i);
      else await world.recv(got, i % 4 ? 1 : ANY_SOURCE, i);
      verify(got, i, `message ${i}`);
    }
    const error = throws(GONE, () => world.recvSync(bytes, 1, 3));
    assert.equal(error.peer, 1);
    await rejects(GONE, world.recv(bytes, 1, 3));
    await rejects(GONE, world.send(bytes, 1, 3));
  },
};

const [name, when] = process.argv.slice(2);
world.barrierSync();
if (world.rank === 0) {
  if (when === 'after') await pause(150);
  await cases[name]();
} else {
  if (name === 'what it sent before')
    for (let i = 1; i <= 40; i++) world.sendSync(filled(i * 10, i), 0, i);
  if (when === 'before') await pause(150);
}
sayOk();
if (world.rank === 1) MPI.finalize();
