/**
 * A queue pair between the ranks of two nodes, beside the job's own connections: what rank 1 is asked
 * for by messages it does with memory that its peer exports, or that its peer reaches.
 */
import { addon } from '../../../native/addon.ts';
import { MPI } from '../../../runtime/index.ts';
import { ACCESS } from '../../../runtime/memory/domain.ts';
import type { QueueAddress } from '../../../transports/verbs/device/attributes.ts';
import { VerbsDevice } from '../../../transports/verbs/device/device.ts';
import type { QueuePair } from '../../../transports/verbs/device/queue-pair.ts';

/** Bytes of one command; JSON, then blanks. */
const COMMAND_BYTES = 256;
const TAG = 1;
const PSN = 0x4321;
const SLOT_BYTES = 64;
export const FAR_BYTES = 256 * 1024;
/** For so long an operation may take before the test gives up. */
const PATIENCE_MS = 120_000;

/** RDMA of rank 1's own with memory of rank 0: 'read', then a look; a set, then 'write'. */
interface Rdma {
  what: 'read' | 'write';
  length: number;
  address: number;
  key: number;
}

/**
 * What rank 0 asks of rank 1. 'set': bytes into its memory; 'look': what is there, which it then
 * overwrites.
 */
type Command = { what: 'set' | 'look' | 'end'; length: number } | Rdma;

/** Nothing that a scenario sends. */
const CLEARED = 0xee;

/** What the ranks tell each other before they connect; memory is rank 1's. */
interface Hello extends QueueAddress {
  address: number;
  key: number;
}

export class End {
  readonly device = VerbsDevice.open();
  readonly queue: QueuePair;
  readonly peer = 1 - MPI.world.rank;
  /** Rank 1's: registered once, never touched by the scenarios. */
  readonly memory = new Uint8Array(FAR_BYTES);
  readonly region: number;
  /** Where the memory of the peer is. */
  readonly remote: { address: number; key: number };
  readonly #line = Buffer.alloc(COMMAND_BYTES);

  constructor() {
    this.device.openReceiveQueue(SLOT_BYTES).grow(2);
    this.queue = this.device.createQueuePair({ sendDepth: 16, inlineBytes: 0 });
    const address = addon().addressOf(this.memory);
    const { localWrite, remoteWrite, remoteRead } = ACCESS;
    this.region = this.device.register(address, FAR_BYTES, localWrite | remoteWrite | remoteRead);
    if (this.region < 0) throw new Error(`not registered: ${this.region}`);
    const { lid, gid, mtu } = this.device;
    const hello: Hello = {
      ...{ number: this.queue.number, psn: PSN, lid, gid, mtu },
      ...{ address, key: this.device.rkeyOf(this.region) },
    };
    const line = Buffer.alloc(COMMAND_BYTES, ' ');
    line.write(JSON.stringify(hello));
    MPI.world.sendrecvSync(line, this.peer, TAG, this.#line, this.peer, TAG);
    const theirs = JSON.parse(this.#line.toString()) as Hello;
    this.remote = theirs;
    this.queue.connect(theirs, PSN);
    // Nobody sends before both are connected.
    MPI.world.barrierSync();
  }

  tell(command: Command): void {
    const line = Buffer.alloc(COMMAND_BYTES, ' ');
    line.write(JSON.stringify(command));
    MPI.world.sendSync(line, this.peer, TAG);
  }

  heard(): Command {
    MPI.world.recvSync(this.#line, this.peer, TAG);
    return JSON.parse(this.#line.toString()) as Command;
  }

  /** An answer that is one number. */
  answer(value: number): void {
    MPI.world.sendSync(Int32Array.of(value), this.peer, TAG);
  }

  answered(): number {
    const value = new Int32Array(1);
    MPI.world.recvSync(value, this.peer, TAG);
    return value[0];
  }

  /** Bytes for the peer, by their value where all are the same: that is one small message. */
  pass(bytes: Uint8Array, value = sameValue(bytes)): void {
    this.answer(value ?? -1);
    if (value === null) MPI.world.sendSync(bytes, this.peer, TAG);
  }

  passed(into: Uint8Array): void {
    const value = this.answered();
    if (value >= 0) into.fill(value);
    else MPI.world.recvSync(into, this.peer, TAG);
  }

  wait(so: () => boolean): void {
    const { device } = this;
    const until = performance.now() + PATIENCE_MS;
    while (!so() && performance.now() < until) {
      if (device.poll() > 0) continue;
      device.arm();
      if (device.poll() === 0) addon().pollReadable(device.wakeFd, 100);
      device.disarm();
    }
  }

  close(): void {
    this.device.close();
  }
}

const sameValue = (bytes: Uint8Array) =>
  bytes.every((byte) => byte === bytes[0]) ? bytes[0] : null;

/** Rank 1: does what rank 0 asks for, until it says 'end'. */
export function serve(end: End): void {
  end.memory.fill(CLEARED);
  for (;;) {
    const command = end.heard();
    const part = end.memory.subarray(0, command.length);
    if (command.what === 'end') return;
    if (command.what === 'write' || command.what === 'set') end.passed(part);
    if (command.what === 'read' || command.what === 'write') end.answer(rdma(end, command));
    if (command.what === 'set') end.answer(0);
    if (command.what === 'read' || command.what === 'look') {
      // Cleared first: once the peer has the bytes its next WRITE may come at any moment.
      const bytes = part.slice();
      part.fill(CLEARED);
      end.pass(bytes);
    }
  }
}

/** The result of an RDMA operation of rank 1's own. */
function rdma(end: End, { what, length, address, key }: Rdma): number {
  const ours = addon().addressOf(end.memory);
  let result: number | undefined;
  const answer = end.queue.rdma(what, end.region, ours, length, address, key, (moved) => {
    result = moved;
  });
  if (answer < 0) return answer;
  end.wait(() => result !== undefined);
  return result ?? -1;
}
