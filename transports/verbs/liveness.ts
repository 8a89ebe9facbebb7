/** Whether peers, the port and the device are still there, while nothing comes that would say so. */
import { constants } from 'node:os';
import { MpiError } from '../../runtime/base/error.ts';
import type { DeviceEvent } from './device/device.ts';
import type { VerbsChannel } from './packets/channel.ts';
import type { PacketDevice } from './ports.ts';

/** A rank that waits asks connected peers so often whether they are there, in milliseconds. */
export const HEARTBEAT_MS = 1000;
/** On iWARP a connection over which a peer has not answered for so long, in milliseconds, is broken. */
export const SILENCE_MS = 4000;
/**
 * A port that is down for so long, in milliseconds, takes its connections with it: not every device
 * notices by itself that nothing goes out any more. What is shorter is made good by repetition.
 */
export const PORT_DOWN_MS = 2000;
/**
 * A rank that polls looks at the device's events so often, in milliseconds: each look is a system call.
 * It learns this much later that a port is down; what is under way fails by itself, too.
 */
export const EVENTS_MS = 500;

export class Liveness {
  readonly #device: PacketDevice;
  readonly #channels: ReadonlyMap<number, VerbsChannel>;
  readonly #now: () => number;
  #beatAt = 0;
  #eventsAt = 0;
  /** Since when the port is down, and the error that says so. */
  #down: { since: number; error: MpiError } | null = null;

  /** @param channels of the transport, as they are at any time */
  constructor(
    device: PacketDevice,
    channels: ReadonlyMap<number, VerbsChannel>,
    now: () => number,
  ) {
    this.#device = device;
    this.#channels = channels;
    this.#now = now;
  }

  /** Events of the device, not looked at for so many milliseconds, and whether peers are there. */
  look(eventsAfter: number): void {
    const time = this.#now();
    if (time - this.#eventsAt >= eventsAfter) this.#takeEvents(time);
    if (time - this.#beatAt < HEARTBEAT_MS) return;
    this.#beatAt = time;
    for (const channel of this.#channels.values())
      if (channel.state === 'ready') this.#probe(channel, time);
  }

  #probe(channel: VerbsChannel, time: number): void {
    const iwarp = this.#device.link === 'iwarp';
    if (channel.probing) {
      if (iwarp && time - channel.probedAt > SILENCE_MS) channel.fail(silence());
      return;
    }
    // What is under way says by itself that nobody answers. And rxe of Linux 6.12 fails at a READ that it
    // is asked for again after a WRITE of no bytes, as the probe is one.
    if (!iwarp && channel.memory.busy) return;
    channel.probing = true;
    channel.probedAt = time;
    const answer = channel.queue.probe(() => {
      channel.probing = false;
    });
    // A queue that is full says in any case whether the peer answers.
    if (answer !== 0) channel.probing = false;
  }

  #takeEvents(time: number): void {
    this.#eventsAt = time;
    for (;;) {
      const event = this.#device.takeEvent() as DeviceEvent | null;
      if (event === null) break;
      if (event.kind === 'active') this.#down = null;
      if (event.kind === 'port' && event.error) this.#down ??= { since: time, error: event.error };
    }
    if (this.#down === null || time - this.#down.since < PORT_DOWN_MS) return;
    for (const channel of this.#channels.values()) channel.fail(this.#down.error);
  }
}

const silence = () =>
  new MpiError('ERR_PEER_FAILED', 'the peer does not answer', { errno: constants.errno.ETIMEDOUT });
