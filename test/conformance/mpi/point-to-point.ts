/** Steps of point-to-point communication (MPI 4.1, 3). What each does stands in point_to_point.c. */
import {
  type Communicator,
  type Message,
  MpiError,
  type Persistent,
  PROC_NULL,
  Request,
  type Status,
  startAll,
} from '../../../runtime/index.ts';
import { checksum, commOf, filled, rankOf, type Step, type Steps, tagOf } from './step.ts';

/** A request of the schedule; none where the send was a buffered one. */
interface Slot {
  request: Request<unknown> | null;
  bytes: Uint8Array;
  receives: boolean;
  persistent?: Persistent<unknown>;
}

const slots = new Map<number, Slot>();
const messages = new Map<number, Message>();

/** What came. */
function received(status: Status | Message, bytes?: Uint8Array): string {
  const { source, tag, byteLength } = status;
  if ('cancelled' in status && status.cancelled) return 'cancelled';
  if (source === PROC_NULL) return 'nobody';
  const what = `source ${source} tag ${tag} length ${byteLength}`;
  return bytes === undefined ? what : `${what} sum ${checksum(bytes, byteLength)}`;
}

/** The same of a receive that may be too short. */
async function receive(take: () => Status | Promise<Status>, bytes: Uint8Array): Promise<string> {
  try {
    return received(await take(), bytes);
  } catch (error) {
    if (error instanceof MpiError && error.code === 'ERR_TRUNCATE') return 'truncated';
    throw error;
  }
}

async function ended(slot: number, { trace }: Step, wait: (request: Request) => unknown) {
  const { request, bytes, receives, persistent } = slots.get(slot)!;
  const end = async () => {
    if (request !== null) await wait(request as Request);
    return request?.status as Status;
  };
  if (receives) trace(await receive(end, bytes));
  else await end();
  if (persistent === undefined) slots.delete(slot);
}

const SEND = { s: 'send', y: 'ssend', b: 'bsend' } as const;
const START = { s: 'isend', y: 'issend' } as const;

function startSend(comm: Communicator, mode: string, ...rest: [Uint8Array, number, number]) {
  if (mode !== 'b') return comm[START[mode as 's' | 'y']](...rest);
  comm.bsend(...rest);
  return null;
}

/** One call after the other, until all have ended. */
async function completeBy(how: string, list: Request<unknown>[], blocks: boolean): Promise<void> {
  if (how === 'all') return blocks ? Request.waitAll(list) : Request.all(list);
  if (how === 'testall') {
    while (!Request.testAll(list));
    return;
  }
  for (let left = list.length; left > 0; ) {
    if (how === 'any')
      left -= (blocks ? Request.waitAny(list) : await Request.any(list)) < 0 ? 0 : 1;
    else if (how === 'testany') left -= Request.testAny(list) < 0 ? 0 : 1;
    else left -= (how === 'some' ? Request.waitSome(list) : Request.testSome(list)).length;
  }
}

export const pointToPoint: Steps = {
  async send({ words, numbers, blocks }) {
    const [c, , to, tag, length, seed] = numbers;
    const comm = commOf(c);
    const how = SEND[words[1] as keyof typeof SEND];
    const what = [filled(length, seed), rankOf(to), tag] as const;
    if (how === 'bsend') comm.bsend(...what);
    else if (blocks) comm[`${how}Sync`](...what);
    else await comm[how](...what);
  },

  isend({ words, numbers }) {
    const [slot, c, , to, tag, length, seed] = numbers;
    const bytes = filled(length, seed);
    const request = startSend(commOf(c), words[2], bytes, rankOf(to), tag);
    slots.set(slot, { request, bytes, receives: false });
  },

  async recv({ numbers, blocks, trace }) {
    const [c, from, tag, room] = numbers;
    const comm = commOf(c);
    const bytes = new Uint8Array(room);
    const what = [bytes, rankOf(from), tagOf(tag)] as const;
    trace(await receive(() => (blocks ? comm.recvSync(...what) : comm.recv(...what)), bytes));
  },

  irecv({ numbers }) {
    const [slot, c, from, tag, room] = numbers;
    const bytes = new Uint8Array(room);
    const request = commOf(c).irecv(bytes, rankOf(from), tagOf(tag));
    slots.set(slot, { request, bytes, receives: true });
  },

  async complete(step) {
    const places = step.numbers.slice(1);
    const list = places.map((slot) => slots.get(slot)?.request ?? null);
    const active = list.filter((request) => request !== null);
    await completeBy(step.words[0], active, step.blocks);
    for (const slot of places) await ended(slot, step, () => {});
  },

  wait: (step) =>
    ended(step.numbers[0], step, (request) => (step.blocks ? request.wait() : request)),

  test: (step) =>
    ended(step.numbers[0], step, (request) => {
      while (!request.test());
    }),

  async cancel(step) {
    slots.get(step.numbers[0])?.request?.cancel();
    await ended(step.numbers[0], step, (request) => request.wait());
  },

  psend({ words, numbers }) {
    const [slot, c, , to, tag, length] = numbers;
    const bytes = new Uint8Array(length);
    const make = words[2] === 'y' ? 'ssend' : 'send';
    const persistent = commOf(c).persistent[make](bytes, rankOf(to), tag);
    slots.set(slot, { request: null, bytes, receives: false, persistent });
  },

  precv({ numbers }) {
    const [slot, c, from, tag, room] = numbers;
    const bytes = new Uint8Array(room);
    const persistent = commOf(c).persistent.recv(bytes, rankOf(from), tagOf(tag));
    slots.set(slot, { request: null, bytes, receives: true, persistent });
  },

  start({ numbers: [seed, ...places] }) {
    const started = places.map((slot) => slots.get(slot)!);
    for (const { bytes, receives } of started) if (!receives) bytes.set(filled(bytes.length, seed));
    const requests = startAll(started.map(({ persistent }) => persistent as Persistent<unknown>));
    for (const [i, slot] of started.entries()) slot.request = requests[i];
  },

  pfree({ numbers: [slot] }) {
    slots.get(slot)?.persistent?.[Symbol.dispose]();
    slots.delete(slot);
  },

  async probe({ numbers: [c, from, tag], blocks, trace }) {
    const comm = commOf(c);
    const what = [rankOf(from), tagOf(tag)] as const;
    trace(received(blocks ? comm.probeSync(...what) : await comm.probe(...what)));
  },

  iprobe({ numbers: [c, from, tag], trace }) {
    let status: Status | null = null;
    while (status === null) status = commOf(c).iprobe(rankOf(from), tagOf(tag));
    trace(received(status));
  },

  nothing({ numbers: [c, from, tag], trace }) {
    const seen = commOf(c).iprobe(rankOf(from), tagOf(tag));
    const claimed = commOf(c).improbe(rankOf(from), tagOf(tag));
    trace(`seen ${Number(seen !== null)} claimed ${Number(claimed !== null)}`);
  },

  async mprobe({ numbers: [slot, c, from, tag], blocks, trace }) {
    const comm = commOf(c);
    const what = [rankOf(from), tagOf(tag)] as const;
    const message = blocks ? comm.mprobeSync(...what) : await comm.mprobe(...what);
    messages.set(slot, message);
    trace(received(message));
  },

  improbe({ numbers: [slot, c, from, tag], trace }) {
    let message: Message | null = null;
    while (message === null) message = commOf(c).improbe(rankOf(from), tagOf(tag));
    messages.set(slot, message);
    trace(received(message));
  },

  async mrecv({ numbers: [slot, room], blocks, trace }) {
    const message = messages.get(slot)!;
    const bytes = new Uint8Array(room);
    const take = () => (blocks ? message.recvSync(bytes) : message.recv(bytes));
    trace(await receive(take, bytes));
  },

  imrecv({ numbers: [slot, from, room] }) {
    const bytes = new Uint8Array(room);
    slots.set(slot, { request: messages.get(from)!.irecv(bytes), bytes, receives: true });
  },

  async sendrecv({ numbers, blocks, trace }) {
    const [c, to, sendTag, length, seed, from, tag, room] = numbers;
    const comm = commOf(c);
    const into = new Uint8Array(room);
    const sent = [filled(length, seed), rankOf(to), sendTag] as const;
    const got = [into, rankOf(from), tagOf(tag)] as const;
    const call = blocks ? 'sendrecvSync' : 'sendrecv';
    trace(received(await comm[call](...sent, ...got), into));
  },

  async replace({ numbers, blocks, trace }) {
    const [c, to, sendTag, length, seed, from, tag] = numbers;
    const comm = commOf(c);
    const bytes = filled(length, seed);
    const call = blocks ? 'sendrecvReplaceSync' : 'sendrecvReplace';
    const status = await comm[call](bytes, rankOf(to), sendTag, rankOf(from), tagOf(tag));
    trace(received(status, bytes));
  },
};
