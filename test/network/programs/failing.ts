/**
 * Two ranks, between which something breaks: `failing.js stream|idle|contact MS`. Each says where it is, and then how and when it ended,
 * by the machine's clock. MS: comm.timeout; 0: none.
 */
import { MPI, MpiError } from '../../../runtime/index.ts';

const { world } = MPI;
const [what, milliseconds] = process.argv.slice(2);
const peer = 1 - world.rank;
const small = new Uint8Array(8);
const large = new Uint8Array(4 * 2 ** 20).fill(7);
if (milliseconds !== '0') world.timeout = Number(milliseconds);

const say = (text: string) => process.stdout.write(`rank ${world.rank} ${text}\n`);
const underWay = () => say(`under way ${process.pid}`);

/** So long nobody has talked to anybody. */
const BEFORE_CONTACT_MS = 2000;

async function talk(): Promise<void> {
  if (what === 'contact') {
    underWay();
    await new Promise((resolve) => setTimeout(resolve, BEFORE_CONTACT_MS));
    await world.send(small, peer);
  }
  for (let count = 0; ; count++) {
    if (world.rank === 0) world.sendSync(large, 1, 1);
    else world.recvSync(large, 0, 1);
    if (count !== 3) continue;
    underWay();
    if (what === 'idle') await world.recv(small, peer, 2);
  }
}

try {
  await talk();
} catch (error) {
  if (!(error instanceof MpiError)) throw error;
  say(`${error.code} ${error.peer} ${Date.now()} ${error.message}`);
}
