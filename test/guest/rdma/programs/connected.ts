/**
 * What each connection over RDMA takes: KiB that are pinned, and that the device's queues have mapped,
 * at rank 0 before it talks to anybody and after each peer (which may connect earlier). Prints them as JSON.
 */
import { readFileSync } from 'node:fs';
import { MPI } from '../../../../runtime/index.ts';
import { pinnedKiB } from './report.ts';

const world = MPI.world;
const block = new Uint8Array(8192);
// One for all peers: what it takes to keep it registered is no connection's.
const got = new Uint8Array(8192);

function mappedKiB(): number {
  const maps = readFileSync('/proc/self/maps', 'latin1');
  let sum = 0;
  for (const [, start, end] of maps.matchAll(/^(\w+)-(\w+) .* \/dev\/infiniband\/.*$/gm))
    sum += (Number.parseInt(end, 16) - Number.parseInt(start, 16)) / 1024;
  return sum;
}

function talk(peer: number): void {
  for (let i = 0; i < 40; i++) world.sendrecvSync(block, peer, 1, got, peer, 1);
}

if (world.rank === 0) {
  const used = [pinnedKiB() + mappedKiB()];
  for (let peer = 1; peer < world.size; peer++) {
    talk(peer);
    used.push(pinnedKiB() + mappedKiB());
  }
  process.stdout.write(`${JSON.stringify(used)}\n`);
} else talk(0);
