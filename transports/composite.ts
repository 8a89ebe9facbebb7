/** Two transports as one: near ranks by one of them, all other ranks by the other; which may be two as one itself. */
import { addon } from '../native/addon.ts';
import type { MpiError } from '../runtime/base/error.ts';
import type { SharedBlocks } from './shared-block.ts';
import type { Channel, PacketHandler, Transport } from './transport.ts';

export class CompositeTransport implements Transport {
  readonly name: string;
  /** This transport waits for two descriptors by itself. */
  readonly wakeFd = -1;
  readonly blocks: SharedBlocks | undefined;
  readonly #near: Transport;
  readonly #far: Transport;
  readonly #isNear: (rank: number) => boolean;
  readonly #fds: Int32Array;
  /** What it waits for. */
  readonly fds: readonly number[];

  constructor(near: Transport, far: Transport, isNear: (rank: number) => boolean) {
    this.name = `${near.name}+${far.name}`;
    this.#near = near;
    this.#far = far;
    this.#isNear = isNear;
    this.blocks = near.blocks;
    const all = [near, far].flatMap((one) =>
      one instanceof CompositeTransport ? one.fds : [one.wakeFd],
    );
    this.fds = all.filter((fd) => fd >= 0);
    this.#fds = Int32Array.from(this.fds);
  }

  #of(peer: number): Transport {
    return this.#isNear(peer) ? this.#near : this.#far;
  }

  connect(peer: number): Channel {
    return this.#of(peer).connect(peer);
  }

  poll(handler: PacketHandler): number {
    return this.#near.poll(handler) + this.#far.poll(handler);
  }

  /** Whoever sleeps on two doorbells needs both as descriptors, even if it blocks its thread. */
  arm(): void {
    this.#near.arm('loop');
    this.#far.arm('loop');
  }

  disarm(): void {
    this.#near.disarm();
    this.#far.disarm();
  }

  block(milliseconds: number): void {
    addon().pollAny(this.#fds, milliseconds);
  }

  watch(onDoorbell: () => void): { ref(): void; unref(): void; close(): void } {
    // Both are armed. The doorbell that did not ring must not ring later for packets that were already seen.
    const onEither = () => {
      this.disarm();
      onDoorbell();
    };
    const watchers = [this.#near.watch(onEither), this.#far.watch(onEither)];
    return {
      ref: () => {
        for (const watcher of watchers) watcher.ref();
      },
      unref: () => {
        for (const watcher of watchers) watcher.unref();
      },
      close: () => {
        for (const watcher of watchers) watcher.close();
      },
    };
  }

  presence(peer: number): 'absent' | 'present' | 'leaving' | 'left' {
    return this.#of(peer).presence(peer);
  }

  leave(): void {
    this.#near.leave();
    this.#far.leave();
  }

  close(): void {
    this.#near.close();
    this.#far.close();
  }
}

/** Stands for a transport that this rank does not have, and says why. */
export class NoTransport implements Transport {
  readonly name = 'none';
  readonly wakeFd = -1;
  readonly #refuse: (peer: number) => MpiError;

  constructor(refuse: (peer: number) => MpiError) {
    this.#refuse = refuse;
  }

  connect(peer: number): never {
    throw this.#refuse(peer);
  }

  poll(): number {
    return 0;
  }

  arm(): void {}
  disarm(): void {}
  block(): void {}
  watch(): { ref(): void; unref(): void; close(): void } {
    return { ref() {}, unref() {}, close() {} };
  }

  presence(): 'absent' {
    return 'absent';
  }

  leave(): void {}
  close(): void {}
}
