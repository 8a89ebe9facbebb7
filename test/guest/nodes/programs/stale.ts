/**
 * Stale registrations between two nodes: rank 0's memory loses its mapping, and gets it again, between
 * two RDMA operations of its own or of rank 1. argv[2]: the monitor; `naive` must give old bytes.
 * argv[3]: operations of a soak, which takes the place of the scenarios.
 */
import { MPI } from '../../../../runtime/index.ts';
import { type MonitorName, openMonitor } from '../../../../runtime/memory/monitors/open.ts';
import { NaiveMonitor } from '../../../conformance/domains/naive.ts';
import { MOVER_SCENARIOS } from '../../../conformance/domains/scenarios.ts';
import { PIN_BYTES, SLOTS, Soaker } from '../../../conformance/domains/soaker.ts';
import { SIDES, type Side } from '../../../conformance/domains/verbs-channel.ts';
import { helpers } from '../../../tools/native/helpers.ts';
import { End, serve } from '../far-end.ts';
import { FarMover } from '../far-mover.ts';

const [monitor, operations] = process.argv.slice(2);
const open = () =>
  monitor === 'naive'
    ? new NaiveMonitor(SLOTS)
    : openMonitor(monitor as MonitorName, { slots: SLOTS });

function say(name: string, error: unknown): void {
  const text = error instanceof Error ? error.message : String(error);
  const failed = error !== undefined;
  process.stdout.write(`${failed ? 'not ok' : 'ok'} - ${name}${failed ? ` # ${text}` : ''}\n`);
}

async function scenarios(end: End, side: Side): Promise<void> {
  const expected = monitor === 'naive' ? 'old' : 'new';
  for (const { name, run } of MOVER_SCENARIOS) {
    const mover = new FarMover(end, open(), side);
    let error: unknown;
    try {
      const outcome = await run(mover);
      if (outcome !== expected) error = `the ${outcome} bytes came`;
    } catch (cause) {
      error = cause;
    }
    mover.close();
    say(`${expected} bytes: ${side}: ${name}`, error);
  }
}

async function soak(end: End, side: Side, count: number): Promise<void> {
  const seed = 1 + SIDES.indexOf(side);
  const soaker = new Soaker(
    seed,
    new FarMover(end, open(), side, { limits: { bytes: PIN_BYTES } }),
  );
  for (let i = 0; i < count; i++) {
    soaker.step();
    // The event loop turns, so that the monitor can wake the reaper.
    if (i % 50 === 0) await new Promise(setImmediate);
  }
  const result = await soaker.end();
  const { wrong, pinned, hits, invalidations, evictions } = result;
  const figures = JSON.stringify(result);
  say(`${side}: no wrong bytes`, wrong === 0 ? undefined : figures);
  say(`${side}: nothing pinned at the end`, pinned === 0 ? undefined : figures);
  const busy = hits > 0 && invalidations > 0 && evictions > 0;
  say(`${side}: hits, invalidations and evictions`, busy ? undefined : figures);
}

helpers();
const end = new End();
if (MPI.world.rank === 1) serve(end);
else {
  for (const side of SIDES)
    await (operations === undefined ? scenarios(end, side) : soak(end, side, Number(operations)));
  end.tell({ what: 'end', length: 0 });
}
end.close();
