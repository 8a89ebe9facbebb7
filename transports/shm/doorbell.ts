/**
 * How a rank sleeps and is woken (docs/internals/shm.md). A rank says in its control page how it sleeps,
 * looks at its rings once more, and sleeps; a peer publishes first and looks at that word after it.
 * A full barrier stands between the two accesses on both sides, so that at least one sees the other.
 *
 * The barrier of the sender would be paid for each message, that of the sleeper only when it has
 * nothing to do. So where it can, the sleeper issues both: membarrier(2) is a full barrier on every CPU
 * that runs one of the job's processes, and the sender publishes by a plain store. Where an atomic store is no
 * barrier, the sleeper's own is `fence`: it looks at its rings by plain loads.
 */
import type { Watcher } from '../../native/addon.ts';
import { addon } from '../../native/addon.ts';
import { fence, STORE_IS_BARRIER } from '../ordering.ts';
import { AWAKE, BLOCKED, CONTROL, IN_LOOP } from './layout.ts';

/**
 * Wakes the owner of a control page if it sleeps; called after the store that the owner should see.
 * The common case is one load.
 */
export const ring = STORE_IS_BARRIER ? ringByLoad : ringByAtomicLoad;

function ringByLoad(control: Int32Array, doorbell: number): void {
  if (control[CONTROL.sleep] !== AWAKE) wake(control, doorbell);
}

function ringByAtomicLoad(control: Int32Array, doorbell: number): void {
  if (Atomics.load(control, CONTROL.sleep) !== AWAKE) wake(control, doorbell);
}

function wake(control: Int32Array, doorbell: number): void {
  // Of several peers that ring at once only one makes the system call.
  const how = Atomics.exchange(control, CONTROL.sleep, AWAKE);
  if (how === BLOCKED) addon().futexWake(control, CONTROL.sleep);
  else if (how !== AWAKE) addon().eventfdSignal(doorbell);
}

/** A rank's own doorbell. */
export class Doorbell {
  readonly #control: Int32Array;
  /** Becomes readable when it rings after `arm('loop')`. */
  doorbell: number;
  #fenced = false;
  /** The process's registration for barriers, which takes some milliseconds, may still end well. */
  #pending: boolean;
  #inLoop = false;

  /** @param crowded more ranks than CPUs: they sleep often, and a barrier for each would cost more */
  constructor(control: Int32Array, doorbell: number, crowded: boolean) {
    this.#control = control;
    this.doorbell = doorbell;
    this.#pending = STORE_IS_BARRIER && !crowded;
  }

  /**
   * Whether this process takes part in the barriers of its peers: its stores may be plain. Once it
   * does, peers are told that it issues barriers itself. Asked for the first time when there is some
   * traffic: a process that ends while the kernel registers it ends some milliseconds later.
   */
  checkFences(): boolean {
    if (!this.#pending) return this.#fenced;
    const answer = addon().membarrierRegister();
    if (answer > 0) return false;
    this.#pending = false;
    this.#fenced = answer === 0;
    if (this.#fenced && addon().membarrier() === 0) Atomics.store(this.#control, CONTROL.fences, 1);
    return this.#fenced;
  }

  arm(how: 'block' | 'loop'): void {
    this.#inLoop = how === 'loop';
    Atomics.store(this.#control, CONTROL.sleep, how === 'block' ? BLOCKED : IN_LOOP);
    fence();
    if (this.#control[CONTROL.fences] === 1) addon().membarrier();
  }

  disarm(): void {
    const how = Atomics.exchange(this.#control, CONTROL.sleep, AWAKE);
    // The doorbell has rung in the meantime. The next wait for the descriptor must not end because of that.
    if (how === AWAKE && this.#inLoop) addon().eventfdDrain(this.doorbell);
    this.#inLoop = false;
  }

  block(milliseconds: number): void {
    addon().futexWait(this.#control, CONTROL.sleep, BLOCKED, milliseconds);
  }

  /** The descriptor's number may belong to another file from now on. */
  close(): void {
    this.doorbell = -1;
  }

  watch(onDoorbell: () => void): Watcher {
    return new (addon().Watcher)(this.doorbell, true, onDoorbell);
  }
}
