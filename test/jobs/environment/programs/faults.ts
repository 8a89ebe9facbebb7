/** `faults NAME MEMORY VICTIM LOOKS`: rank 2 kills rank 0 or 1 in the midst of their large messages, which never end. */
import { MPI } from '../../../../runtime/index.ts';
import { stateOf, TRANSFERS } from '../../transfers.ts';

const [, , name, memory, victim, looks] = process.argv;
const BYTES = 16 * 2 ** 20;
const { world } = MPI;
const { send, receive } = TRANSFERS[name];

const pids = new Int32Array(2);
if (world.rank === 2) {
  for (const one of [0, 1]) world.recvSync(pids.subarray(one, one + 1), one, 7);
  for (let i = 0; i < Number(looks); i++) stateOf(pids[0]);
  process.kill(pids[Number(victim)], 'SIGKILL');
  world.recvSync(new Uint8Array(1), 0, 8);
}
const bytes = new Uint8Array(
  memory === 'shared' ? MPI.allocate(BYTES) : new ArrayBuffer(BYTES),
).fill(1);
for (let i = 0; ; i++) {
  await (world.rank === 0 ? send(bytes) : receive(bytes));
  if (i === 2) world.sendSync(Int32Array.of(process.pid), 2, 7);
}
