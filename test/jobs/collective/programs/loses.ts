/**
 * Rank 1 is lost. `loses LOOKS [NAME]`: it is killed in the middle of this operation, or of all at once, each on a communicator of its
 * own, after so many looks at them; rank 0 blocks. `loses`: it leaves the job while the others are in one operation after the other.
 */
import { type Communicator, MPI, MpiError, type Request } from '../../../../runtime/index.ts';
import { assert } from '../../lib.ts';
import { CALLS, communicatorFor } from './calls.ts';

const { world } = MPI;
const { rank } = world;
const LOST = 1;
const [, , looks, name] = process.argv;
const names = name === undefined ? Object.keys(CALLS) : [name];

async function die(comms: ReadonlyMap<string, Communicator>): Promise<void> {
  const calls = Array.from(comms, ([one, comm]) => CALLS[one](comm));
  await world.barrier();
  process.stdout.write('under way\n');
  const requests = calls.map(({ start, block }) => (rank === 0 ? block() : start()));
  if (rank === LOST) {
    for (let i = 0; i < Number(looks); i++)
      for (const request of requests) (request as Request<unknown>).test();
    process.kill(process.pid, 'SIGKILL');
  }
  for (const request of requests) await request;
  await world.barrier();
}

/** Nobody can tell a rank whose part has ended: a next call does. */
async function failing(comm: Communicator, call: () => unknown): Promise<MpiError> {
  try {
    await call();
    for (;;) await comm.allgather(Int32Array.of(rank));
  } catch (error) {
    if (error instanceof MpiError) return error;
    throw error;
  }
}

async function stay(comms: ReadonlyMap<string, Communicator>): Promise<void> {
  let blocks = rank === 0;
  for (const [one, comm] of comms) {
    const { start, block } = CALLS[one](comm);
    const error = await failing(comm, blocks ? block : start);
    assert.equal(error.code, 'ERR_PEER_FAILED', `${one}: ${error.message}`);
    assert.match(error.message, /rank 1 has left/, one);
    blocks = !blocks;
  }
  process.stdout.write(`rank ${rank} ok\n`);
}

const comms = new Map<string, Communicator>();
for (const one of names) comms.set(one, await communicatorFor(one));
if (looks !== undefined) await die(comms);
else {
  const rest = await world.split(rank === LOST ? null : 0);
  if (rest === null) MPI.finalize();
  else {
    await stay(comms);
    // Nobody leaves while another one still waits for the rank that has.
    await rest.barrier();
  }
}
