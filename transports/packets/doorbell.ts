/** How a rank sleeps: on completions, on the device's events, and on a timer, in one descriptor. */
import { addon, type Watcher } from '../../native/addon.ts';
import { wakeAddon } from '../../native/wake.ts';
import { check } from '../../runtime/base/error.ts';

/** A device that can ring. */
export interface Ringer {
  /** Readable when there is work, once armed. */
  readonly fds: readonly number[];
  /** Whether these descriptors may stay readable without cause, so that only news of them ring. */
  readonly edges: boolean;
  /** @returns whether there is work already, so that nothing may ring */
  arm(): boolean;
  disarm(): void;
}

/** Another descriptor that wakes, and a function that reads it until it is quiet. */
export interface News {
  readonly fd: number;
  take(): void;
}

export class Doorbell {
  readonly #device: Ringer;
  readonly #news: News | null;
  #fd = -1;
  #timer = -1;
  #armed = false;

  constructor(device: Ringer, news: News | null = null) {
    this.#device = device;
    this.#news = news;
  }

  /** Made at its first use. */
  get fd(): number {
    if (this.#fd < 0) this.#make();
    return this.#fd;
  }

  /** Readable from the next completion or event on, and in any case after this many milliseconds. */
  arm(milliseconds: number): void {
    if (this.#fd < 0) this.#make();
    // Clears a completion that came when nobody slept any more.
    this.#device.disarm();
    this.#drain();
    const busy = this.#device.arm();
    wakeAddon().timerSet(this.#timer, busy ? 1 : Math.max(1, milliseconds));
    this.#armed = true;
  }

  disarm(): void {
    if (!this.#armed) return;
    this.#armed = false;
    this.#device.disarm();
    this.#news?.take();
    wakeAddon().timerSet(this.#timer, 0);
    this.#drain();
  }

  block(milliseconds: number): void {
    addon().pollReadable(this.fd, milliseconds);
  }

  watch(onDoorbell: () => void): Watcher {
    const { Watcher } = addon();
    return new Watcher(this.fd, false, () => {
      const rung = this.#armed;
      // A late event, when nobody listens any more, must not keep the loop turning.
      if (rung) this.disarm();
      else {
        this.#device.disarm();
        this.#news?.take();
        this.#drain();
      }
      if (rung) onDoorbell();
    });
  }

  close(): void {
    this.disarm();
    const { closeFd } = addon();
    for (const fd of [this.#fd, this.#timer]) if (fd >= 0) closeFd(fd);
    this.#fd = -1;
    this.#timer = -1;
  }

  #drain(): void {
    if (this.#device.edges) wakeAddon().epollDrain(this.#fd);
  }

  #make(): void {
    const native = wakeAddon();
    this.#timer = check(native.timerCreate(), 'timerfd_create', 'a timer to sleep with');
    const news = this.#news === null ? [] : [this.#news.fd];
    const { fds, edges } = this.#device;
    const all = Int32Array.of(...fds, this.#timer, ...news);
    const made = native.epollCreate(all, edges ? fds.length : 0);
    this.#fd = check(made, 'epoll_create1', 'a descriptor to sleep on');
  }
}
