/**
 * Large messages from rank 0 to rank 1 until the file of argv[2] appears, or the connection breaks;
 * each rank says which.
 */
import { existsSync } from 'node:fs';
import { ANY_TAG, MPI, MpiError } from '../../../../runtime/index.ts';
import { sayOk } from '../../../jobs/lib.ts';

const world = MPI.world;
const bytes = new Uint8Array(4 * 2 ** 20).fill(7);
const DATA = 1;
const END = 2;

function send(): void {
  while (!existsSync(process.argv[2])) world.sendSync(bytes, 1, DATA);
  world.sendSync(bytes, 1, END);
}

function receive(): void {
  for (let count = 0; world.recvSync(bytes, 0, ANY_TAG).tag !== END; count++)
    if (count === 3) process.stdout.write('under way\n');
}

try {
  if (world.rank === 0) send();
  else receive();
  sayOk();
} catch (error) {
  if (!(error instanceof MpiError)) throw error;
  process.stdout.write(`rank ${world.rank}: ${error.code} of rank ${error.peer}\n`);
}
