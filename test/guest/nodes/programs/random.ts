/**
 * Messages of random sizes between all ranks, every byte compared, and where they went: argv[2] rounds,
 * argv[3] ranks on each node, argv[4] the transport between nodes, and argv[5] the one inside a node.
 */
import { MPI } from '../../../../runtime/index.ts';
import { assert, sayOk } from '../../../jobs/lib.ts';
import { filled } from '../../../tools/bytes.ts';
import { Random } from '../../../tools/random.ts';

const SIZE_MAX = 1.5 * 2 ** 20;
const [rounds, perNode] = process.argv.slice(2, 4).map(Number);
const [far, near] = process.argv.slice(4, 6);
const world = MPI.world;
const { rank, size } = world;
const others = Array.from({ length: size }, (_, i) => i).filter((other) => other !== rank);
/** What is sent are parts of this, the same at every rank. */
const pool = filled(4 * 2 ** 20, 1);
const buffers = () => others.map(() => new Uint8Array(SIZE_MAX));
const [outgoing, incoming] = [buffers(), buffers()];

/** Small and large ones are equally frequent, from a byte on. */
function sizeOf(from: number, to: number, round: number): number {
  const random = new Random(((round * size + from) * size + to) * 7919);
  return Math.floor(2 ** ((random.below(1000) / 1000) * Math.log2(SIZE_MAX)));
}

/** The bytes of a message: no two begin at the same place of the pool. */
function contentOf(from: number, to: number, round: number, length: number): Uint8Array {
  const at = (((round * size + from) * size + to) * 4099) % (pool.length - SIZE_MAX);
  return pool.subarray(at, at + length);
}

/** Which ranks are reached by which transport, and that large messages went in the way asked for. */
function checkStatistics(): void {
  const { messages, memory } = MPI.statistics();
  const nodeOf = (one: number) => Math.floor(one / perNode);
  const transports = new Set(others.map((to) => (nodeOf(to) === nodeOf(rank) ? near : far)));
  assert.deepEqual(new Set(Object.keys(messages)), transports);
  const wanted = process.env.DREG_RNDV ?? 'auto';
  for (const direction of ['sent', 'received'] as const) {
    const ways = Object.entries(messages[far][direction]).filter(([, count]) => count > 0);
    const text = `${far}, ${direction}: ${JSON.stringify(messages[far][direction])}`;
    assert(ways.length > 0, text);
    if (wanted !== 'auto')
      assert.deepEqual(
        ways.map(([way]) => way),
        [wanted],
        text,
      );
  }
  assert.equal(memory?.monitor, 'dreg');
  if (wanted === 'get' || wanted === 'put')
    assert(memory.hitsIdentity + memory.hitsAddress > 0, 'no registration was used twice');
}

for (let round = 0; round < rounds; round++) {
  const receives = others.map((from, i) => world.irecv(incoming[i], from, round));
  const sends = others.map((to, i) => {
    const view = outgoing[i].subarray(0, sizeOf(rank, to, round));
    view.set(contentOf(rank, to, round, view.length));
    return world.isend(view, to, round);
  });
  await Promise.all([...receives, ...sends]);
  for (const [i, from] of others.entries()) {
    const length = sizeOf(from, rank, round);
    assert.equal((await receives[i]).byteLength, length);
    const wanted = contentOf(from, rank, round, length);
    const same = Buffer.compare(incoming[i].subarray(0, length), wanted) === 0;
    assert(same, `round ${round}: ${length} bytes from rank ${from} are not what it sent`);
  }
}
checkStatistics();
sayOk();
