/** How a rank waits: blocked, over a transport that brings nothing, and in the event loop of Node. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { packageRoot } from '../../../../native/addon.ts';
import { MpiError } from '../../../../runtime/base/error.ts';
import { worldOf } from '../../../../runtime/mpi/first-communicators.ts';
import type { Request } from '../../../../runtime/mpi/point-to-point/request.ts';
import { SelfTransport } from '../../../../transports/self/transport.ts';
import { BareEngine } from '../../../tools/bare-engine.ts';
import { Random } from '../../../tools/random.ts';
import { Simulation } from './simulated.ts';

/** More polls than any clock counts in a millisecond. */
const TOO_MANY_POLLS = 50_000_000;

/** Once more after the doorbell is armed. */
const ARMED_LOOK = 1;

/** Waits for a message that never comes; how many polls went before the rank slept. */
function pollsBeforeSleep(spinPolls: number, spinMs: number): number {
  const node = new Simulation({ random: new Random(1) }).transports[0];
  if (node === undefined) throw new Error('a simulation has ranks');
  let polls = 0;
  let before = 0;
  node.poll = () => {
    if (++polls > TOO_MANY_POLLS) throw new Error('it polls without an end');
    return 0;
  };
  const engine = new BareEngine({
    rank: 0,
    size: 2,
    self: new SelfTransport(0),
    node,
    spinPolls,
    spinMs,
    singleCopy: 'auto',
    rendezvous: 'auto',
  });
  const request = worldOf(engine).irecv(new Uint8Array(8), 1) as Request;
  node.block = () => {
    before = polls;
    engine.completion.fail(request, new MpiError('ERR_DEADLOCK', 'the rank slept'));
  };
  expect(() => request.wait()).toThrow('the rank slept');
  return before;
}

test('a blocked rank polls as often as it may, and then sleeps', () => {
  expect(pollsBeforeSleep(1000, Number.POSITIVE_INFINITY)).toBe(1000 + ARMED_LOOK);
  expect(pollsBeforeSleep(0, Number.POSITIVE_INFINITY)).toBe(1 + ARMED_LOOK);
});

test('it polls no longer than it may either', () =>
  expect(pollsBeforeSleep(1_000_000_000, 1)).toBeLessThan(TOO_MANY_POLLS));

test('nothing holds a process whose operations have ended, however it started', () => {
  const program = join(packageRoot(), 'dist/programs/unit/runtime/messaging/programs/starts.js');
  const said = execFileSync(process.execPath, [program, '500'], { encoding: 'utf8' });
  expect(said).toBe('500 starts\n');
});
