/** Registered memory of the transport's own: packets leave from it and arrive in it. */
import { check, MpiError } from '../../../runtime/base/error.ts';
import type { DeviceCore } from './core.ts';

/** Memory that is registered part by part. Its pages cost nothing before they are used. */
export class Area {
  readonly bytes: Uint8Array;
  /** Its number in the addon. */
  readonly index: number;
  readonly #core: DeviceCore;

  /** Reserves memory without registering it. @throws MpiError ERR_NO_MEM */
  constructor(core: DeviceCore, bytes: number) {
    const made = core.native.verbsArea(core.id, bytes);
    if (typeof made === 'number') throw noMemory(made, core.name, bytes);
    [this.index] = made;
    this.bytes = new Uint8Array(made[1]);
    this.#core = core;
  }

  /** Registers a part. @throws MpiError ERR_NO_MEM where it cannot be pinned */
  register(offset: number, length: number): void {
    const { native, id, name } = this.#core;
    const answer = native.verbsAreaRegister(id, this.index, offset, length);
    if (answer < 0) throw noMemory(answer, name, length);
  }

  /** Gives the registrations back. No operation that uses them may be under way. */
  close(): void {
    if (!this.#core.closed) this.#core.native.verbsAreaClose(this.#core.id, this.index);
  }
}

/** An area that is registered as a whole: packets that are too long to go inline. */
export class SendArea extends Area {
  constructor(core: DeviceCore, bytes: number) {
    super(core, bytes);
    this.register(0, bytes);
  }
}

/**
 * Slots of the shared receive queue at most. Each connected peer needs SLOTS_PER_PEER (wire.ts), so there
 * may be some 800.
 */
export const RECEIVE_SLOTS_MAX = 16384;

/**
 * The buffers in which packets of all connected peers arrive, `slotBytes` each. {@link
 * VerbsDevice.onReceive} is told of each packet, and its taker gives the slot back with `post`.
 */
export class ReceiveQueue {
  readonly slotBytes: number;
  /** The most slots there can be. */
  readonly slotsMax: number;
  /** Number of slots now: 0..slotsMax. */
  slots = 0;
  /** Slot `n` is `bytes[n * slotBytes, (n + 1) * slotBytes)`. */
  readonly bytes: Uint8Array;
  readonly #area: Area;
  readonly #core: DeviceCore;

  constructor(core: DeviceCore, slotBytes: number, slotsMax: number) {
    this.slotBytes = slotBytes;
    this.slotsMax = slotsMax;
    this.#core = core;
    this.#area = new Area(core, slotBytes * slotsMax);
    this.bytes = this.#area.bytes;
    const { native, id, name } = core;
    check(
      native.verbsReceiveQueue(id, this.#area.index, slotBytes, slotsMax),
      'ibv_create_srq',
      name,
    );
  }

  /**
   * Registers and posts further slots.
   * @throws MpiError ERR_NO_MEM where they cannot be pinned, or there are slotsMax already
   */
  grow(slots: number): void {
    const first = this.slots;
    if (first + slots > this.slotsMax)
      throw new MpiError(
        'ERR_NO_MEM',
        `${this.#core.name}: ${first + slots} receive buffers are needed, and at most ${this.slotsMax} can be had: connect fewer peers`,
      );
    this.#area.register(first * this.slotBytes, slots * this.slotBytes);
    this.slots += slots;
    for (let slot = first; slot < this.slots; slot++) this.post(slot);
    this.flush();
  }

  /** Gives a slot back. It is posted with the next `poll` of the device or `flush`. */
  post(slot: number): void {
    const { receiveCount, receives } = this.#core;
    const count = receiveCount[0];
    receives[count] = slot;
    receiveCount[0] = count + 1;
    if (count + 1 === receives.length) this.flush();
  }

  /** Slots that were given back and are not posted yet. They must not be promised to a peer. */
  get waiting(): number {
    return this.#core.receiveCount[0];
  }

  /** Posts slots that were given back. @throws MpiError ERR_SYSTEM where the device takes them no more */
  flush(): void {
    const { native, id, name, receiveCount, closed } = this.#core;
    if (receiveCount[0] === 0 || closed) return;
    check(native.verbsPostReceives(id), 'ibv_post_srq_recv', name);
  }
}

function noMemory(answer: number, device: string, bytes: number): MpiError {
  return new MpiError(
    'ERR_NO_MEM',
    `${device}: ${bytes} bytes cannot be registered; raise the limit of locked memory (ulimit -l)`,
    { errno: -answer, syscall: 'ibv_reg_mr' },
  );
}
