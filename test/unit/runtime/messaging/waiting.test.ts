/** How a rank waits: blocked, over a transport that brings nothing, and in the event loop of Node. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { packageRoot } from '../../../../native/addon.ts';
import { MpiError } from '../../../../runtime/base/error.ts';
import { WOKEN_POLLS } from '../../../../runtime/messaging/waiting.ts';
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

/** Waits for a message that never comes; how many polls went before the rank slept first, and then again. */
function pollsBeforeSleeps(spinPolls: number, spinMs: number): [first: number, second: number] {
  const node = new Simulation({ random: new Random(1) }).transports[0];
  if (node === undefined) throw new Error('a simulation has ranks');
  let polls = 0;
  const before: number[] = [];
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
    before.push(polls);
    polls = 0;
    if (before.length < 2) return;
    engine.completion.fail(request, new MpiError('ERR_DEADLOCK', 'the rank slept'));
  };
  expect(() => request.wait()).toThrow('the rank slept');
  return before as [number, number];
}

test('a blocked rank polls as often as it may, and then sleeps', () => {
  expect(pollsBeforeSleeps(1000, Number.POSITIVE_INFINITY)[0]).toBe(1000 + ARMED_LOOK);
  expect(pollsBeforeSleeps(0, Number.POSITIVE_INFINITY)[0]).toBe(1 + ARMED_LOOK);
});

test('one that was woken polls a while before it sleeps again, where it may poll', () => {
  const again = (spinPolls: number) => pollsBeforeSleeps(spinPolls, Number.POSITIVE_INFINITY)[1];
  // The first is the look after the sleep.
  expect(again(1000)).toBe(1 + WOKEN_POLLS + ARMED_LOOK);
  expect(again(10)).toBe(1 + 10 + ARMED_LOOK);
  expect(again(0)).toBe(1 + 1 + ARMED_LOOK);
});

test('it polls no longer than it may either', () =>
  expect(pollsBeforeSleeps(1_000_000_000, 1)[0]).toBeLessThan(TOO_MANY_POLLS));

test('nothing holds a process whose operations have ended, however it started', () => {
  const program = join(packageRoot(), 'dist/programs/unit/runtime/messaging/programs/starts.js');
  const said = execFileSync(process.execPath, [program, '500'], { encoding: 'utf8' });
  expect(said).toBe('500 starts\n');
});
