/** What jobs about calls that do not fit together share: that every rank hears of it. */
import { type Communicator, MpiError } from '../../runtime/index.ts';
import { assert } from './lib.ts';
import { size, world } from './ring.ts';

/** Calls barriers behind it until this rank is told, too, if its own part had ended before anybody could know. */
export async function toldOf(comm: Communicator, call: () => unknown): Promise<MpiError> {
  try {
    await call();
    for (;;) await comm.barrier();
  } catch (error) {
    if (error instanceof MpiError) return error;
    throw error;
  }
}

/** On a communicator of its own, which is of no use afterwards. */
export async function refused<C extends Communicator = Communicator>(
  call: (comm: C) => unknown,
  words: readonly string[] = [],
  make: () => PromiseLike<Communicator> = () => world.dup(),
): Promise<void> {
  if (size === 1) return;
  const comm = (await make()) as C;
  const error = await toldOf(comm, () => call(comm));
  assert.equal(error.code, 'ERR_MISMATCH', error.message);
  for (const word of words) assert(error.message.includes(word), `${word}: ${error.message}`);
  const again = await toldOf(comm, () => comm.barrierSync());
  assert.equal(again.code, 'ERR_MISMATCH');
  comm.free();
  await world.barrier();
}
