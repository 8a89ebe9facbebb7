/**
 * How a rank sleeps and is woken (docs/design/shm.md). A rank says in its control page how it sleeps,
 * looks at its rings once more, and sleeps; a peer publishes first and looks at that word after it.
 * Both accesses are sequentially consistent, so at least one of the two sees the other.
 */
import type { Watcher } from '../../native/addon.ts';
import { addon } from '../../native/addon.ts';
import { AWAKE, BLOCKED, CONTROL, IN_LOOP } from './layout.ts';
import { STORE_IS_BARRIER } from './ordering.ts';

const { futexWait, futexWake, eventfdSignal } = addon();

/**
 * Wakes the owner of a control page if it sleeps; called after an atomic store that the owner should
 * see. The common case is one load.
 */
export function ring(control: Int32Array, bell: number): void {
  const how = STORE_IS_BARRIER ? control[CONTROL.sleep] : Atomics.load(control, CONTROL.sleep);
  if (how !== AWAKE) wake(control, bell, how);
}

function wake(control: Int32Array, bell: number, how: number): void {
  // Of several who ring at once only one pays for the system call.
  if (Atomics.compareExchange(control, CONTROL.sleep, how, AWAKE) !== how) return;
  if (how === BLOCKED) futexWake(control, CONTROL.sleep);
  else eventfdSignal(bell);
}

/** A rank's own bell. */
export class Doorbell {
  readonly #control: Int32Array;
  readonly #bell: number;

  constructor(control: Int32Array, bell: number) {
    this.#control = control;
    this.#bell = bell;
  }

  arm(how: 'block' | 'loop'): void {
    Atomics.store(this.#control, CONTROL.sleep, how === 'block' ? BLOCKED : IN_LOOP);
  }

  disarm(): void {
    Atomics.store(this.#control, CONTROL.sleep, AWAKE);
  }

  block(milliseconds: number): void {
    futexWait(this.#control, CONTROL.sleep, BLOCKED, milliseconds);
  }

  watch(onBell: () => void): Watcher {
    return new (addon().Watcher)(this.#bell, true, onBell);
  }
}
