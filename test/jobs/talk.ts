/** What jobs about communicators share: that all its ranks, and nobody else, hear what is said on one. */
import { ANY_SOURCE, ANY_TAG, type Communicator } from '../../runtime/index.ts';
import { assert, filled, verify } from './lib.ts';

/** Small, and beyond what goes unasked. */
const LENGTHS = [8, 100_000];

/** Everybody sends to everybody, in both habits, and takes exactly that. */
export async function talk(comm: Communicator, seed: number): Promise<void> {
  const { rank, size } = comm;
  for (const length of LENGTHS)
    for (let away = 0; away < size; away++) {
      const [to, from] = [(rank + away) % size, (rank - away + size) % size];
      const got = new Uint8Array(length);
      const status =
        away % 2 === 0
          ? await comm.sendrecv(filled(length, seed + rank), to, away, got, from, away)
          : comm.sendrecvSync(filled(length, seed + rank), to, away, got, from, away);
      assert.deepEqual([status.source, status.tag, status.byteLength], [from, away, length]);
      verify(got, seed + from, `from rank ${from}`);
    }
  await comm.barrier();
  comm.barrierSync();
}

/** A message around the ring: no more than tells one communicator from another. */
export function ringSync(comm: Communicator, said: number): void {
  const { rank, size } = comm;
  const got = new Float64Array(1);
  const status = comm.sendrecvSync(Float64Array.of(said), (rank + 1) % size, 0, got, ANY_SOURCE);
  assert.equal(got[0], said);
  assert.equal(status.source, (rank - 1 + size) % size);
}

/** Nothing was sent on it that nobody has taken. */
export function assertQuiet(comm: Communicator): void {
  const receive = comm.irecv(new Uint8Array(8), ANY_SOURCE, ANY_TAG);
  assert.equal(receive.test(), false);
  assert.equal(receive.cancel(), true);
}
