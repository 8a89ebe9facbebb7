/**
 * What a small message passes is inlined by V8 as a whole, as long as it is short: bytecode, and not how long it
 * takes, is what this counts (docs/internals/testing.md#the-inlining-budget).
 */
import { describe, expect, it } from 'vitest';
import { BundleBytecode, v8Setting } from '../../tools/bytecode.ts';

/** Bytes of one function; of all that go into one; and what V8 multiplies the latter with, to have some left. */
const ONE_MOST = v8Setting('max-inlined-bytecode-size');
const ALL_MOST = v8Setting('max-inlined-bytecode-size-cumulative');
const RESERVE = v8Setting('reserve-inline-budget-scale-factor');

/** What V8 compiles as one piece, by its name, and the functions in it, which it would otherwise call. */
const PIECES: Record<string, string[]> = {
  sendAtOnce: [
    'isTag',
    'Endpoint.peerTo',
    'SendFlow.trySendAgain',
    'ShmChannel.trySendAgain',
    'ringByLoad',
    'RingSender.trySendAgain',
    'BodyAlias.get isThere',
    'RingSender.#publish',
  ],
  'Communicator.recvSync': [
    'recvSync',
    'plainLength',
    'lengthOf',
    'isReceiveTag',
    'Endpoint.peerFrom',
    'Endpoint.contextFrom',
    'Context.get quiet',
  ],
  'Engine.tryReceiveNow': [
    'BusyPeers.get count',
    'Peer.get error',
    'ShmChannel.tryTake',
    'RingReceiver.tryTake',
    'BodyAlias.get isThere',
    'chargeOf',
    'ShmChannel.returnCredit',
    'RingReceiver.returnCredit',
    'ShmChannel.get takenTag',
  ],
  'what irecv does with a message that is not there': [
    'Receiving.receive',
    'PrematchedReceives.take',
    'PrematchedReceives.#continues',
    'Context.get quiet',
    'Completion.track',
    'EventLoopProgress.track',
  ],
};

/** Of which each message makes an object, and what they are made from. */
const MANY = [
  'Waitable',
  'StartedRequest',
  'Request',
  'CompleteRequest',
  'Envelope',
  'UnexpectedMessage',
];

const bytecode = new BundleBytecode();

it.each(MANY)('%s is made without a call', (name) => {
  expect(bytecode.hasPrivateMethod(name)).toBe(false);
});

describe('the inlining budget', () => {
  it.each(Object.entries(PIECES))('has room for %s', (_, functions) => {
    const lengths = functions.map((name) => [name, bytecode.length(name)] as const);
    const all = lengths.reduce((sum, [, length]) => sum + length, 0);
    const table = lengths.map(([name, length]) => `${name} ${length}`).join(', ');
    expect(Math.max(...lengths.map(([, length]) => length)), table).toBeLessThanOrEqual(ONE_MOST);
    expect(Math.round(all * RESERVE), table).toBeLessThanOrEqual(ALL_MOST);
  });
});
