/** Whether peers, the port and the device are still there, while no packet comes that would show it. */
import { constants } from 'node:os';
import { MpiError } from '../../runtime/base/error.ts';
import { HEARTBEAT_MS } from '../packets/transport.ts';
import type { DeviceEvent } from './device/device.ts';
import type { PacketDevice, VerbsChannel } from './ports.ts';

/**
 * On iWARP: milliseconds for which a peer may leave a question unanswered. Then the connection is broken.
 */
export const SILENCE_MS = 4000;
/**
 * Milliseconds for which a port may be down. Then its connections have failed: not every device notices by
 * itself that nothing goes out any more. Repetition makes a shorter time good.
 */
export const PORT_DOWN_MS = 2000;
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

  /** Looks at the device's events, if the last look was long ago, and at whether peers are there. */
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
    // An operation under way shows by itself that nobody answers. And rxe of Linux 6.12 fails at a READ
    // that it has to repeat after a WRITE of no bytes, which the probe is.
    if (!iwarp && channel.memory.busy) return;
    channel.probing = true;
    channel.probedAt = time;
    const answer = channel.queue.probe(() => {
      channel.probing = false;
    });
    // A full queue shows in any case whether the peer answers.
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
  new MpiError(
    'ERR_PEER_FAILED',
    'the peer does not answer: its process or machine is gone, or the network is down',
    { errno: constants.errno.ETIMEDOUT },
  );
