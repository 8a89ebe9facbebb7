/** How a rank sleeps: on completions, on the device's events, and on a timer, in one descriptor. */
import { addon, type Watcher } from '../../native/addon.ts';
import { wakeAddon } from '../../native/wake.ts';
import { check } from '../../runtime/error.ts';
import type { PacketDevice } from './ports.ts';

export class Bell {
  readonly #device: PacketDevice;
  #fd = -1;
  #timer = -1;
  #armed = false;

  constructor(device: PacketDevice) {
    this.#device = device;
  }

  /** Made when it is first asked for. */
  get fd(): number {
    if (this.#fd < 0) this.#make();
    return this.#fd;
  }

  /** Readable from the next completion or event on, and in any case after so many milliseconds. */
  arm(milliseconds: number): void {
    if (this.#fd < 0) this.#make();
    // Of a completion that came when nobody slept any more nothing is left.
    this.#device.disarm();
    this.#device.arm();
    wakeAddon().timerSet(this.#timer, Math.max(1, milliseconds));
    this.#armed = true;
  }

  disarm(): void {
    if (!this.#armed) return;
    this.#armed = false;
    this.#device.disarm();
    wakeAddon().timerSet(this.#timer, 0);
  }

  block(milliseconds: number): void {
    addon().pollReadable(this.fd, milliseconds);
  }

  watch(onBell: () => void): Watcher {
    const { Watcher } = addon();
    return new Watcher(this.fd, false, () => {
      const rung = this.#armed;
      // What came in late, when nobody listens any more, must not keep the loop turning.
      if (rung) this.disarm();
      else this.#device.disarm();
      if (rung) onBell();
    });
  }

  close(): void {
    this.disarm();
    const { closeFd } = addon();
    for (const fd of [this.#fd, this.#timer]) if (fd >= 0) closeFd(fd);
    this.#fd = -1;
    this.#timer = -1;
  }

  #make(): void {
    const native = wakeAddon();
    const { wakeFd, asyncFd } = this.#device;
    this.#timer = check(native.timerCreate(), 'timerfd_create', 'a timer to sleep with');
    const all = Int32Array.of(wakeFd, asyncFd, this.#timer);
    this.#fd = check(native.epollCreate(all), 'epoll_create1', 'a descriptor to sleep on');
  }
}
