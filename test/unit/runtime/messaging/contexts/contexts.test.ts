/** What a number of a peer's means, from which OPEN on, and what no peer may open. */
import { afterEach, describe, expect, test } from 'vitest';
import type { MpiError } from '../../../../../runtime/base/error.ts';
import type { Communicator } from '../../../../../runtime/index.ts';
import {
  COMMUNICATORS_MAX,
  ContextTable,
} from '../../../../../runtime/messaging/contexts/table.ts';
import { CREDIT_LIMITS, PROGRAM } from '../../../../../runtime/messaging/flow/credit.ts';
import { SendFlow } from '../../../../../runtime/messaging/flow/send-flow.ts';
import type { Operation } from '../../../../../runtime/messaging/operation.ts';
import type { Peer } from '../../../../../runtime/messaging/peer.ts';
import {
  FOUND,
  KEY_WORD,
  NONE,
  OPEN,
  OPEN_NAMED,
  SEEK_WORD,
} from '../../../../../runtime/messaging/wire.ts';
import { Group } from '../../../../../runtime/mpi/group.ts';
import type { Channel, Packet } from '../../../../../transports/transport.ts';
import { EXTENSION_WORDS } from '../../../../../transports/transport.ts';
import { closeScenes, finish, scene, settle } from '../flow/scene.ts';

afterEach(closeScenes);

/** A communicator of all ranks, made by each of them. */
function dup({ comms, simulation }: ReturnType<typeof scene>): Communicator[] {
  const requests = comms.map(([world]) => world.dup());
  for (let i = 0; i < 500 && !requests.every(({ done }) => done); i++) simulation.step();
  return requests.map(({ result }) => result);
}

describe('a number that is given again', () => {
  test('is not taken for what it meant before, on the short way either', () => {
    const made = scene(1);
    const [a0, a1] = dup(made);
    const first = [a0.isend(Uint8Array.of(1), 1), a1.irecv(new Uint8Array(1), 0)];
    finish(made, first as never);
    // Rank 1 keeps the old one.
    a0.free();
    const [b0, b1] = dup(made);
    expect(b0.endpoint.context).toBe(a0.endpoint.context);
    finish(made, [b0.isend(Uint8Array.of(2), 1), b1.irecv(new Uint8Array(1), 0)] as never);
    const late = b0.isend(Uint8Array.of(3), 1);
    for (let i = 0; i < 3; i++) made.simulation.engines[0].progress();
    const wrong = new Uint8Array(1);
    const old = a1.irecv(wrong, 0);
    const right = new Uint8Array(1);
    finish(made, [late, b1.irecv(right, 0)] as never);
    settle(made);
    expect([old.done, wrong[0], right[0]]).toEqual([false, 0, 3]);
    expect(old.cancel()).toBe(true);
  });

  test('is sought anew where its peer is stalled', () => {
    const made = scene(1);
    const [c0, c1] = dup(made);
    for (let i = 0; i < 20; i++) made.comms[0][0].isend(Uint8Array.of(i), 1, 1);
    settle(made);
    // Rank 0 has not opened it: there is no number yet to seek by.
    const got = new Uint8Array(1);
    const receive = c1.irecv(got, 0, 5);
    settle(made);
    const send = c0.isend(Uint8Array.of(9), 1, 5);
    finish(made, [send, receive] as never);
    expect(got[0]).toBe(9);
  });
});

describe('a message whose context the peer does not know yet', () => {
  const tag = 3;
  const waiting = () =>
    ({ context: 6, tag, next: null, previous: null, nextOfTag: null }) as unknown as Operation;

  function flow() {
    const said: number[] = [];
    const output = {
      room: false,
      start: () => false,
      open: () => output.room,
      control: (kind: number) => said.push(kind),
    };
    const channel = { creditReturned: () => 0 } as unknown as Channel;
    const flow = new SendFlow(PROGRAM, channel, output, CREDIT_LIMITS[PROGRAM]);
    // No credit is left.
    flow.charge(CREDIT_LIMITS[PROGRAM].messages);
    return { flow, said, output };
  }

  const seek = () => {
    const words = new Int32Array(EXTENSION_WORDS);
    words[SEEK_WORD.context] = 6;
    words[SEEK_WORD.tag] = tag;
    return words;
  };

  test('is not what a peer is told that seeks', () => {
    const { flow: sends, said, output } = flow();
    sends.wait(waiting());
    sends.onSeek(seek());
    expect(said).not.toContain(FOUND);
    output.room = true;
    sends.push();
    expect(said).toContain(FOUND);
  });

  test('is not what a peer is told that has sought before', () => {
    const { flow: sends, said, output } = flow();
    sends.wait({ ...waiting(), context: 8 });
    output.room = true;
    sends.push();
    sends.onSeek(seek());
    expect(said).toContain(NONE);
    output.room = false;
    sends.wait(waiting());
    sends.push();
    expect(said).not.toContain(FOUND);
    output.room = true;
    sends.push();
    expect(said).toContain(FOUND);
  });
});

describe('what a peer opens', () => {
  function table() {
    const dropped: unknown[] = [];
    const contexts = new ContextTable({
      drop: (context) => dropped.push(context),
      sends: () => false,
    });
    return { contexts, dropped };
  }
  const peers = [0, 1, 2].map((rank) => ({ rank }) as Peer);
  const peer = (rank: number) => peers[rank];
  const open = (context: number, serial: number, kind = OPEN): Packet => {
    const extension = new Int32Array(EXTENSION_WORDS);
    extension[KEY_WORD.low] = serial;
    return { kind, context, tag: 0, length: 0, extension, copyTo: () => {}, unpackTo: () => {} };
  };
  const two = Group.of(0, Int32Array.of(0, 1));
  const serials = Float64Array.of(1, 1);
  const code = (action: () => void) => {
    try {
      action();
    } catch (error) {
      return (error as MpiError).code;
    }
    return 'no error';
  };

  test.each([
    ['an odd number', 7],
    ['the number of the world', 0],
    ['a number beyond all', 4 * COMMUNICATORS_MAX],
    ['the largest number that a packet bears', 0x3f_fffe],
  ])('%s is of no protocol of ours', (_, number) => {
    const { contexts } = table();
    expect(code(() => contexts.onOpen(peer(1), open(number, 1)))).toBe('ERR_PROTOCOL');
  });

  test('a communicator that it is no member of', () => {
    const { contexts } = table();
    const pair = contexts.begin();
    pair.join(two, serials);
    expect(code(() => contexts.onOpen(peer(2), open(4, pair.serial)))).toBe('ERR_PROTOCOL');
    // Before its members are known it may be anybody: they are looked at then.
    const other = contexts.begin();
    contexts.onOpen(peer(2), open(6, other.serial));
    expect(code(() => other.join(two, serials))).toBe('ERR_PROTOCOL');
  });

  test('one communicator by two numbers', () => {
    const { contexts } = table();
    const pair = contexts.begin();
    pair.join(two, serials);
    contexts.onOpen(peer(1), open(4, pair.serial));
    contexts.onOpen(peer(1), open(4, pair.serial));
    expect(code(() => contexts.onOpen(peer(1), open(6, pair.serial)))).toBe('ERR_PROTOCOL');
  });

  test('a number that was never opened means nothing', () => {
    const { contexts } = table();
    expect(contexts.meantBy(peer(1), 8)).toBe(undefined);
    expect(contexts.meantBy(peer(1), 0x3f_ffff)).toBe(undefined);
  });

  test('a communicator that is freed: what bears the number is dropped', () => {
    const { contexts } = table();
    const pair = contexts.begin();
    pair.join(two, serials);
    const one = peer(1);
    contexts.onOpen(one, open(4, pair.serial));
    expect(contexts.meantBy(one, 4)).toBe(pair.program);
    contexts.close(pair);
    expect(contexts.meantBy(one, 4)?.closed).toBe(true);
    contexts.onOpen(one, open(6, pair.serial));
    expect(contexts.meantBy(one, 7)?.closed).toBe(true);
    expect(contexts.live).toBe(0);
    const next = contexts.begin();
    expect([next.id, next.serial]).toEqual([pair.id, pair.serial + 1]);
  });

  test('a name that nobody asks for goes with those who have opened it', () => {
    const { contexts, dropped } = table();
    contexts.onOpen(peer(1), open(4, 77, OPEN_NAMED));
    const kept = contexts.meantBy(peer(1), 5);
    expect(kept?.closed).toBe(false);
    // It has given up, and its number means another one.
    contexts.onOpen(peer(1), open(4, 78, OPEN_NAMED));
    expect(dropped).toContain(kept);
    const words = open(4, 77).extension;
    const pair = contexts.beginNamed(words);
    expect(pair.library).not.toBe(kept);
  });

  test('the n-th opening by a name is of the n-th call', () => {
    const { contexts } = table();
    contexts.onOpen(peer(1), open(4, 77, OPEN_NAMED));
    contexts.onOpen(peer(1), open(6, 77, OPEN_NAMED));
    contexts.onOpen(peer(2), open(8, 77, OPEN_NAMED));
    const words = open(0, 77).extension;
    const [first, second] = [contexts.beginNamed(words), contexts.beginNamed(words)];
    expect(contexts.meantBy(peer(1), 5)).toBe(first.library);
    expect(contexts.meantBy(peer(2), 9)).toBe(first.library);
    expect(contexts.meantBy(peer(1), 7)).toBe(second.library);
    contexts.forgetName(first);
    contexts.forgetName(second);
    contexts.onOpen(peer(2), open(10, 77, OPEN_NAMED));
    expect(contexts.meantBy(peer(2), 11)).not.toBe(first.library);
  });

  test('beyond the most, numbers are left for telling so', () => {
    const { contexts } = table();
    const pairs = Array.from({ length: COMMUNICATORS_MAX }, () => contexts.begin());
    expect(contexts.full).toBe(true);
    contexts.close(contexts.beginNamed(open(0, 5).extension));
    contexts.close(pairs[0]);
    expect(contexts.full).toBe(false);
    for (let i = contexts.live; i < 2 * COMMUNICATORS_MAX - 1; i++) contexts.begin();
    expect(code(() => contexts.begin())).toBe('ERR_NO_CONTEXT');
  });
});
