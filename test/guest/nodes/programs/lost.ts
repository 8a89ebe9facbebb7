/**
 * Node 1 vanishes in mid-transfer: its machine is reset (argv[2] `reset`), nothing that it sends
 * arrives (`mute`) or its port is down (`unplug`) for a time. Ranks 0 to 2 are on node 0, ranks 3 to 5 on node 1; each has one peer.
 *
 *   0 → 3   a large message after the other, blocking; rank 3 pulls the plug inside one of them
 *   1 ← 4   blocks in a receive; nothing is under way, so that only the heartbeat can tell
 *   2 ← 5   the same as between 0 and 3, the other way round, with promises
 */
import { spawn, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { MPI, MpiError } from '../../../../runtime/index.ts';
import { assert } from '../../../jobs/lib.ts';

/** Within this long a rank reports its peer. The guest's clock: both compete for this machine's processors. */
const REPORT_MS = 5000;
/** The network is back after this long: later than all have reported, so that they can leave the job. */
const AWAY_SECONDS = 8;
const LARGE = 2 ** 20;
/** Large messages before the end. */
const MESSAGES = 2;
/** When this node has last seen the other one alive. */
const LAST_SIGN = '/tmp/last-sign';

const how = process.argv[2];
const { world } = MPI;
const { rank } = world;
const peer = (rank + 3) % 6;
const sign = () => writeFileSync(LAST_SIGN, String(Date.now()));

/** What takes the network away, and what brings it back. */
const PLUGS: Record<string, [off: string, on: string]> = {
  mute: ['tc qdisc add dev eth0 root netem loss 100%', 'tc qdisc del dev eth0 root'],
  unplug: ['ip link set eth0 down', 'ip link set eth0 up'],
};

/** For whoever reads how it went, or how far it came. */
const note = (text: string) => process.stdout.write(`# rank ${rank}: ${text}\n`);

function pullThePlug(): void {
  note('pulls the plug');
  sign();
  if (how === 'reset') writeFileSync('/proc/sysrq-trigger', 'b');
  const [off, on] = PLUGS[how];
  spawnSync('sh', ['-c', off], { stdio: 'inherit' });
  const words = ['-c', `sleep ${AWAY_SECONDS}; ${on}`];
  spawn('sh', words, { detached: true, stdio: 'ignore' }).unref();
}

async function untilLost(): Promise<void> {
  const bytes = new Uint8Array(LARGE);
  if (rank === 0)
    for (;;) {
      world.sendSync(bytes.fill(1), peer);
      sign();
    }
  if (rank === 3) {
    for (let i = 0; i < MESSAGES; i++) world.recvSync(bytes, peer);
    bytes.fill(0);
    const request = world.irecv(bytes, peer);
    // Its first bytes are there.
    while (bytes[0] === 0) request.test();
    pullThePlug();
    request.wait();
  }
  if (rank === 2) for (;;) await world.recv(bytes, peer);
  if (rank === 5) for (;;) await world.send(bytes, peer);
  world.recvSync(bytes, peer);
}

function say(name: string, action: () => void): void {
  try {
    action();
    process.stdout.write(`ok - rank ${rank} ${name}\n`);
  } catch (error) {
    process.stdout.write(`not ok - rank ${rank} ${name} # ${(error as Error).message}\n`);
  }
}

// All have met their peers, so that each has its connection.
world.sendrecvSync(Int32Array.of(rank), peer, 1, new Int32Array(1), peer, 1);
world.barrierSync();
note('has met its peer');
let error: unknown;
try {
  await untilLost();
} catch (cause) {
  error = cause;
}
const now = Date.now();
say('reports its peer: ERR_PEER_FAILED', () => {
  assert(error instanceof MpiError, String(error));
  assert.deepEqual([error.code, error.peer], ['ERR_PEER_FAILED', peer], error.message);
});
// It is of those who lose somebody that 5 s are wanted. To have one's own port down is to lose all
// others; they then send into a network card that takes nothing, and notice when it does so again.
if (rank < 3 === (how !== 'unplug'))
  say(`reports it within ${REPORT_MS} ms`, () => {
    const milliseconds = now - Number(readFileSync(LAST_SIGN, 'utf8'));
    note(`${milliseconds} ms`);
    assert(milliseconds <= REPORT_MS, `${milliseconds} ms`);
  });
try {
  MPI.finalize();
} catch (cause) {
  // What was under way is given up.
  if (!(cause instanceof MpiError) || cause.code !== 'ERR_PENDING') throw cause;
}
say('holds no pinned page', () => {
  assert.match(readFileSync('/proc/self/status', 'utf8'), /^VmPin:\s+0 kB$/m);
});
