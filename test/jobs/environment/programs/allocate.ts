/**
 * `allocate.js keeps WORDS`: allocates until ERR_NO_MEM, whose message has these words, and sends from
 * the last buffer. `allocate.js drops COUNT`: allocates so often 16 MiB, of which nothing is kept, and
 * never comes back to the event loop.
 */
import { MPI, MpiError } from '../../../../runtime/index.ts';
import { assert, fill, sayOk, verify } from '../../lib.ts';

const world = MPI.world;
const [how, words] = process.argv.slice(2);
const LENGTH = 16 * 2 ** 20;

/** Everything is there until nothing more can be had: touched, so that the kernel believes it. */
function keep(): Uint8Array[] {
  const kept: Uint8Array[] = [];
  for (;;) {
    try {
      kept.push(new Uint8Array(MPI.allocate(LENGTH)).fill(kept.length + 1));
    } catch (error) {
      assert(error instanceof MpiError && error.code === 'ERR_NO_MEM', String(error));
      assert(error.message.includes(words), error.message);
      return kept;
    }
  }
}

if (how === 'keeps') {
  // What the receiver asks the kernel for is no matter of MPI.allocate: it is there before.
  const got = new Uint8Array(world.rank === 0 ? 0 : LENGTH).fill(1);
  world.barrierSync();
  if (world.rank === 0) {
    const kept = keep();
    assert(kept.length > 0);
    for (const [i, bytes] of kept.entries()) assert(bytes.every((byte) => byte === i + 1));
    const last = kept[kept.length - 1];
    fill(last, 7);
    world.sendSync(last, 1);
  } else {
    world.recvSync(got, 0);
    verify(got, 7, 'the last one');
  }
} else
  for (let i = 0; i < Number(words); i++) {
    const bytes = new Uint8Array(MPI.allocate(LENGTH));
    assert(bytes[0] === 0 && bytes[LENGTH - 1] === 0, 'memory comes with zeros');
    bytes.fill(i + 1);
  }
world.barrierSync();
sayOk();
