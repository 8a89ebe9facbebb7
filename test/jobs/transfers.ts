/** Ways in which a large message can go, for tests that disturb one in mid-transfer: from rank 0 to rank 1. */
import { readFileSync } from 'node:fs';
import { MPI } from '../../runtime/index.ts';

const { world } = MPI;

interface Transfer {
  send(bytes: Uint8Array): PromiseLike<unknown>;
  /** Ends when it has come into `into`. */
  receive(into: Uint8Array): PromiseLike<unknown>;
}

const PARTITIONS = 4;
const PARTITIONED_TAG = 5;

async function first<Item>(items: AsyncIterable<Item>): Promise<Item> {
  for await (const item of items) return item;
  throw new Error('the loop has ended');
}

const objects = world.objects<{ bytes: Uint8Array }>();

export const TRANSFERS: Readonly<Record<string, Transfer>> = {
  isend: {
    send: (bytes) => world.isend(bytes, 1),
    receive: (into) => world.irecv(into, 0),
  },
  ssendSync: {
    send: async (bytes) => world.ssendSync(bytes, 1),
    receive: async (into) => world.recvSync(into, 0),
  },
  claimed: {
    send: (bytes) => world.ssend(bytes, 1),
    receive: async (into) => (await world.mprobe(0)).recv(into),
  },
  messages: {
    send: (bytes) => world.issend(bytes, 1),
    receive: async (into) => (await first(world.messages({ source: 0 }))).recv(into),
  },
  persistent: {
    send: (bytes) => world.persistent.ssend(bytes, 1).run(),
    receive: (into) => world.persistent.recv(into, 0).run(),
  },
  partitioned: {
    send(bytes) {
      const send = world.persistent.psend(bytes, PARTITIONS, 1, PARTITIONED_TAG);
      const round = send.start();
      send.readyRange(0, PARTITIONS - 1);
      return round;
    },
    receive: (into) => world.persistent.precv(into, PARTITIONS, 0, PARTITIONED_TAG).run(),
  },
  objects: {
    send: (bytes) => objects.ssend({ bytes }, 1),
    receive: async (into) => into.set((await objects.recv(0)).value.bytes),
  },
  'loop over objects': {
    send: (bytes) => objects.send({ bytes }, 1),
    receive: async (into) => into.set((await first(objects.messages())).value.bytes),
  },
};

/** A process's state, as the kernel's letter: T is stopped. */
export function stateOf(pid: number): string {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  return stat.slice(stat.lastIndexOf(')') + 2)[0];
}
