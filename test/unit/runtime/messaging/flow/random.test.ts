/**
 * Random programs whose messages wait for credit: whatever waits where, a receive gets the message that a
 * list would give it, and nothing that could be received waits for ever.
 */
import { afterEach, describe, expect, test } from 'vitest';
import { ANY_SOURCE, ANY_TAG } from '../../../../../runtime/base/constants.ts';
import type { Request } from '../../../../../runtime/index.ts';
import { Random } from '../../../../tools/random.ts';
import {
  COMMUNICATORS,
  closeScenes,
  overShm,
  overVerbs,
  QUIET,
  type Ranks,
  type Scene,
  simulated,
} from './scene.ts';

afterEach(closeScenes);

interface Message {
  id: number;
  from: number;
  to: number;
  comm: number;
  tag: number;
  length: number;
  request: Request;
  receive: Receive | null;
}

interface Receive {
  id: number;
  at: number;
  source: number;
  comm: number;
  tag: number;
  bytes: Uint8Array;
  request: Request;
  message: Message | null;
}

const LENGTH_MAX = 700;

/** Whatever a program of several ranks sends and receives, with what its messages say. */
class Program {
  readonly made: Scene<Ranks>;
  readonly random: Random;
  readonly messages: Message[] = [];
  readonly receives: Receive[] = [];
  readonly tags: number;
  readonly sizes: readonly number[];

  constructor(made: Scene<Ranks>, random: Random) {
    this.made = made;
    this.random = random;
    this.tags = random.pick([1, 2, 5]);
    this.sizes = random.pick([[4], [4, 60, 90], [4, 90, 250, LENGTH_MAX], [0, 4]]);
  }

  get #rank(): number {
    return this.random.below(this.made.comms.length);
  }

  send(from = this.#rank, to = this.#rank): void {
    const { random, messages } = this;
    const id = messages.length;
    const comm = random.below(COMMUNICATORS);
    const tag = random.below(this.tags);
    const length = random.pick([...this.sizes]);
    const bytes = new Uint8Array(length).fill(id & 0xff);
    const request = this.made.comms[from][comm].isend(bytes, to, tag);
    messages.push({ id, from, to, comm, tag, length, request, receive: null });
  }

  receive(at = this.#rank, from = this.#rank): void {
    const { random, receives } = this;
    const comm = random.below(COMMUNICATORS);
    const source = random.below(3) === 0 ? ANY_SOURCE : from;
    const tag = random.below(3) === 0 ? ANY_TAG : random.below(this.tags);
    const bytes = new Uint8Array(LENGTH_MAX);
    const request = this.made.comms[at][comm].irecv(bytes, source, tag);
    const id = receives.length;
    receives.push({ id, at, source, comm, tag, bytes, request, message: null });
  }

  /** Which message each receive has got: of those that look like it the first that no other one has. */
  assign(): void {
    for (const receive of this.receives) {
      const { request, bytes } = receive;
      if (!request.done) continue;
      expect(request.error).toBe(null);
      const { source, tag, byteLength } = request.status;
      const message = this.messages.find(
        (m) =>
          m.receive === null &&
          m.from === source &&
          m.tag === tag &&
          m.length === byteLength &&
          canTake(receive, m) &&
          (byteLength === 0 || m.id % 256 === bytes[0]),
      );
      if (message === undefined) throw new Error(`receive ${receive.id} got what nobody sent`);
      const filled = bytes.every((byte, i) => byte === (i < byteLength ? message.id & 0xff : 0));
      if (!filled) throw new Error(`receive ${receive.id} got wrong bytes`);
      receive.message = message;
      message.receive = receive;
    }
  }

  /** What the standard says of order, for any number of senders (MPI 4.1, 3.5). */
  checkOrder(): void {
    for (const { message, ...receive } of this.receives) {
      if (message === null) continue;
      for (const older of this.messages) {
        const same = older.from === message.from && older.id < message.id;
        if (!same || !canTake(receive, older)) continue;
        if (older.receive === null || older.receive.id > receive.id)
          throw new Error(`message ${message.id} overtakes ${older.id}`);
      }
      for (const earlier of this.receives)
        if (earlier.id < receive.id && earlier.message === null && canTake(earlier, message))
          throw new Error(`receive ${receive.id} got a message of receive ${earlier.id}`);
    }
  }

  /** Nothing waits for each other. */
  checkProgress(): void {
    const waiting = this.messages.filter(({ receive }) => receive === null);
    for (const receive of this.receives)
      if (receive.message === null && waiting.some((message) => canTake(receive, message)))
        throw new Error(`receive ${receive.id} waits though a message fits it`);
  }

  /** With one sender for each receiver there is one answer only: that of a list. */
  checkList(): void {
    const left = [...this.messages];
    for (const receive of this.receives) {
      const at = left.findIndex((message) => canTake(receive, message));
      const message = at < 0 ? null : left.splice(at, 1)[0];
      if (receive.message?.id !== message?.id)
        throw new Error(`receive ${receive.id} got ${receive.message?.id}, not ${message?.id}`);
    }
  }
}

type Pattern = Pick<Receive, 'at' | 'source' | 'comm' | 'tag'>;

function canTake({ at, source, comm, tag }: Pattern, message: Message): boolean {
  if (message.to !== at || message.comm !== comm) return false;
  const from = source === ANY_SOURCE || source === message.from;
  return from && (tag === ANY_TAG || tag === message.tag);
}

function mix(seed: number, made: Scene<Ranks>): void {
  const random = new Random(seed);
  const pick = <Item>(...items: Item[]) => random.pick(items);
  const ranks = made.comms.length;
  const program = new Program(made, random);
  const one = ranks === 2;
  const [sends, receives] = pick([6, 2], [4, 4], [3, 5]);
  for (let i = 0; i < 150; i++) {
    const what = random.below(12);
    // With two ranks each has one sender, the other one.
    const from = one ? random.below(2) : undefined;
    const to = from === undefined ? undefined : 1 - from;
    if (what < sends) program.send(from, to);
    else if (what < sends + receives) program.receive(to, from);
    else for (let turns = random.below(12); turns > 0; turns--) made.simulation.step();
  }
  for (let i = 0; i < QUIET; i++) made.simulation.step();
  // Receives posted late, some of them for what waits behind all else.
  for (let i = 0; i < 60; i++) {
    const from = one ? random.below(2) : undefined;
    program.receive(from === undefined ? undefined : 1 - from, from);
    for (let turns = random.below(4); turns > 0; turns--) made.simulation.step();
  }
  for (let i = 0; i < 10 * QUIET; i++) made.simulation.step();
  expect(made.simulation.offences).toEqual([]);
  program.assign();
  program.checkProgress();
  program.checkOrder();
  if (one) program.checkList();
}

describe.each([
  ['a slow transport', simulated, 300],
  ['shared memory', overShm, 20],
  ['RDMA', overVerbs, 60],
] as const)('over %s any program gets what a list would give it', (_name, network, seeds) => {
  test.each([2, 3])('%i ranks', (ranks) => {
    for (let seed = 0; seed < seeds; seed++)
      try {
        mix(seed, network(seed, ranks));
      } catch (error) {
        throw new Error(`seed ${seed}`, { cause: error });
      } finally {
        closeScenes();
      }
  });
});
