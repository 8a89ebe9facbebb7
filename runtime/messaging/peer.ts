/** What a rank keeps of each rank it talks to: the channel, its flows, and what waits for room. */

import type { Channel } from '../../transports/transport.ts';
import { NO_BYTES } from '../base/bytes.ts';
import type { MpiError } from '../base/error.ts';
import { Queue } from '../base/queue.ts';
import { type CreditLimits, flowOf, LIBRARY, PROGRAM } from './flow/credit.ts';
import { ReceiveFlow } from './flow/receive-flow.ts';
import { type FlowOutput, SendFlow } from './flow/send-flow.ts';
import type { Operation } from './operation.ts';
import { STALLED } from './wire.ts';

/** Polls of one peer's channel alone, before a receive looks at all of them. */
export const DIRECT_POLLS = 40;
/** Looks of each such poll. */
export const DIRECT_POLL_LOOKS = 8;

/**
 * Packets of flow control that a peer may make us hold back: each of its own is answered by one, and the
 * next comes after the answer.
 */
export const FLOW_PACKETS_MAX = 16;

/** A message of which packets are sent whenever there is room for them. */
export interface Stream {
  readonly request: Operation;
  /** Sends what there is room for; true: nothing more to send. */
  stream(): boolean;
}

export class Peer {
  readonly rank: number;
  readonly channel: Channel;
  /** Messages of up to this many bytes go in one packet; the first packet of a larger one has so many. */
  readonly packetBytes: number;
  /** Messages of up to this many bytes go at once, whether or not somebody waits for them. */
  readonly eagerBytes: number;
  /** The program's messages to this peer. */
  readonly program: SendFlow;
  /** By flow. */
  readonly outgoing: readonly SendFlow[];
  readonly incoming: readonly ReceiveFlow[];
  /** Receives that a message of this peer was promised to, which is on its way. */
  promises = 0;
  readonly streams = new Queue<Stream>();
  /** Size classes of which this peer fetched the last message: bytes sent along would only wait. */
  readonly fetches = new Set<number>();
  /** It is one of the {@link BusyPeers}. */
  marked = false;
  /** Packets of transfers under way that found no room: before all else, since others wait for them. */
  readonly #controls = new Queue<() => boolean>();
  /** How many of them are packets of flow control. */
  heldFlowPackets = 0;
  #error: MpiError | null = null;

  constructor(
    rank: number,
    channel: Channel,
    output: (peer: Peer) => FlowOutput,
    limits: readonly CreditLimits[],
  ) {
    this.rank = rank;
    this.channel = channel;
    this.eagerBytes = channel.eagerBytes;
    this.packetBytes = Math.min(channel.maxBody, channel.eagerBytes);
    const to = output(this);
    this.outgoing = limits.map((each, flow) => new SendFlow(flow, channel, to, each));
    this.incoming = limits.map((each, flow) => new ReceiveFlow(flow, each));
    this.program = this.outgoing[PROGRAM];
  }

  /** Set once, when the peer cannot be talked to any more. */
  get error(): MpiError | null {
    return this.#error;
  }

  get busy(): boolean {
    if (this.streams.length > 0 || this.#controls.length > 0) return true;
    return this.outgoing[PROGRAM].busy || this.outgoing[LIBRARY].busy;
  }

  /** Packets of transfers wait for room: whatever belongs to one must not overtake them. */
  get holdsControls(): boolean {
    return this.#controls.length > 0;
  }

  /** Whether messages that bear this context, or the next, wait. */
  holds(context: number): boolean {
    return this.outgoing[PROGRAM].holds(context) || this.outgoing[LIBRARY].holds(context + 1);
  }

  /** Sends a packet without a body, or holds it back where there is no room, or others such wait. */
  sendControl(kind: number, tag: number, extension: Int32Array | null): void {
    if (this.#controls.length === 0 && this.#sendNow(kind, tag, extension)) return;
    if (this.#error !== null) return;
    if (kind < STALLED) {
      this.#controls.push(() => this.#sendNow(kind, tag, extension));
      return;
    }
    this.heldFlowPackets++;
    this.#controls.push(() => {
      if (!this.#sendNow(kind, tag, extension)) return false;
      this.heldFlowPackets--;
      return true;
    });
  }

  /** Sends something as soon as there is room, before all messages that wait. */
  whenRoom(send: () => boolean): void {
    if (this.#error !== null || (this.#controls.length === 0 && send())) return;
    this.#controls.push(send);
  }

  #sendNow(kind: number, tag: number, extension: Int32Array | null): boolean {
    return extension === null
      ? this.channel.trySend(kind, 0, tag, NO_BYTES, 0, 0)
      : this.channel.trySendExtended(kind, 0, tag, extension, NO_BYTES, 0, 0);
  }

  /** The flow of a context's messages. */
  flow(context: number): SendFlow {
    return this.outgoing[flowOf(context)];
  }

  /** Whether a message goes at once, if there is credit: it is short, and not better fetched. */
  goesEagerly(bytes: Uint8Array, length: number): boolean {
    if (length <= this.packetBytes) return true;
    return length <= this.eagerBytes && !this.channel.maps(bytes);
  }

  /** Sends what waits for room, as far as there is some. */
  push(): void {
    const controls = this.#controls;
    for (let send = controls.first; send !== undefined; send = controls.first) {
      if (!send()) return;
      controls.shift();
    }
    for (const flow of this.outgoing) if (flow.busy) flow.push();
    const { streams } = this;
    // One that finds no room leaves none to the others.
    for (let next = streams.first; next?.stream(); next = streams.first) streams.remove(next);
  }

  /** The peer is lost: nothing more goes. What waited for room. */
  lose(error: MpiError): Operation[] {
    this.#error ??= error;
    this.#controls.takeAll();
    const streams = this.streams.takeAll().map(({ request }) => request);
    return [...this.outgoing.flatMap((flow) => flow.lose()), ...streams];
  }
}
