/** Requests that the program drops while they are under way, ends, or keeps until the end; argv[2] says which. */
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { MPI, Request } from '../../../../../runtime/index.ts';

const { world } = MPI;
const how = process.argv[2];
setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** More turns than a collection needs, in all. */
async function turns(): Promise<void> {
  for (let i = 0; i < 10; i++) {
    await sleep(5);
    collect();
  }
}

async function forgetful(): Promise<void> {
  world.irecv(new Uint8Array(8), 0, 7);
}

async function claims(): Promise<void> {
  world.isend(new Uint8Array(100_000), 0, 3).catch(() => {});
  const message = await world.mprobe(0, 3);
  const bytes = await message.take(Uint8Array);
  if (bytes.length !== 100_000) throw new Error('other bytes');
}

async function forgetsBarrier(): Promise<void> {
  world.barrier();
}

if (how === 'drops barrier') {
  // Rank 1 comes when rank 0 has forgotten.
  if (world.rank === 0) {
    await forgetsBarrier();
    await turns();
    await world.send(new Uint8Array(1), 1);
    await world.recv(new Uint8Array(1), 1);
  } else {
    await world.recv(new Uint8Array(1), 0);
    await world.barrier();
    await world.send(new Uint8Array(1), 0);
  }
} else if (how === 'drops') {
  await forgetful();
  await turns();
} else if (how === 'awaits') {
  const end = (async () => void (await world.irecv(new Uint8Array(8), 0, 7)))();
  await turns();
  await Promise.all([end, world.send(new Uint8Array(8), 0, 7)]);
  await claims();
  const requests = [world.irecv(new Uint8Array(8), 0, 7), world.issend(new Uint8Array(8), 0, 7)];
  Request.waitAll(requests);
} else if (how === 'keeps') {
  const kept = world.irecv(new Uint8Array(8), 0, 7);
  MPI.finalize();
  kept.catch(() => {});
}
