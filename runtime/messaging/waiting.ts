/** How a rank blocks: until an operation has ended, and until everything has left it. */
import type { Transport } from '../../transports/transport.ts';
import { now } from '../base/clock.ts';
import { MpiError } from '../base/error.ts';
import type { BusyPeers } from './busy-peers.ts';
import { currentCalls } from './deadlock/call-site.ts';
import type { Standstill } from './deadlock/standstill.ts';
import { type Awaited, PENDING } from './operation.ts';
import type { Peer } from './peer.ts';

/** A blocked rank looks this often whether those it waits for are still there, in milliseconds. */
export const SLEEP_CHECK_MS = 500;
/** A blocked rank that looks at words of its workers sleeps so long between two looks, in milliseconds. */
export const WORKER_LOOK_MS = 1;
/**
 * Polls in vain of a blocked rank that was woken, before it sleeps again: what woke it may have been a part of a large
 * message over a network, and the next part comes soon.
 */
export const WOKEN_POLLS = 256;
/** A blocked rank that polls looks at the clock once in so many polls. */
const POLLS_A_LOOK = 64;
/**
 * The longest time of a timer, in milliseconds: a wait that may take as long has no end. A whole number,
 * not Infinity, so that no wait makes an object of it.
 */
export const TIMEOUT_MS_MAX = 0x7fff_ffff;
/** MPI.finalize() gives up what nobody can receive any more after this long, in milliseconds. */
export const FINALIZE_GRACE_MS = 500;

/** Of a wait without one. */
const NO_DEADLINE = 0;

export interface SpinLimits {
  /** Polls that find nothing before a blocked rank sleeps; 0 with more ranks than cores. */
  spinPolls: number;
  /** A blocked rank polls no longer than this, in milliseconds, however few its polls. */
  spinMs: number;
}

/** What waiting needs of the engine. */
interface WaitingHost {
  readonly rank: number;
  /** Takes what has arrived and sends what there is room for; how many packets came. */
  progress(): number;
  /** From now on whatever comes rings the doorbell. */
  arm(how: 'block'): void;
  readonly loop: { wake(): void };
  /** Words of workers have to be looked at, who ring no doorbell. */
  readonly polls: boolean;
  readonly failures: { checkPeers(): number };
  /** Null where there is no other rank to look at. */
  readonly standstill: Standstill | null;
}

/** Large messages that their receivers have not taken completely. */
interface Outgoing {
  readonly outgoing: number;
  receivers(): Peer[];
}

export class Waiting {
  readonly #host: WaitingHost;
  readonly #node: Transport | null;
  readonly #spinPolls: number;
  readonly #spinMs: number;

  constructor(host: WaitingHost, node: Transport | null, limits: SpinLimits) {
    this.#host = host;
    this.#node = node;
    this.#spinPolls = limits.spinPolls;
    this.#spinMs = limits.spinMs;
  }

  /**
   * Blocks until an operation has ended: polls for a bounded time, then sleeps until a peer rings.
   * @param timeout whole milliseconds; {@link TIMEOUT_MS_MAX}: it waits as long as it takes
   * @returns false where the time is over, and the operation still under way
   * @throws MpiError ERR_DEADLOCK where nobody can end it; it is then still under way
   */
  wait(operation: Awaited, timeout: number): boolean {
    const host = this.#host;
    const deadline = timeout === TIMEOUT_MS_MAX ? NO_DEADLINE : now() + timeout;
    let polls = this.#spinPolls;
    let until = 0;
    let slept = false;
    while (operation.state === PENDING) {
      if (host.progress() > 0) {
        polls = this.#spinPolls;
        until = 0;
      } else if (operation.state === PENDING) {
        if (timeout !== TIMEOUT_MS_MAX && now() >= deadline) return this.#late(slept);
        if (--polls <= 0) {
          if (!slept) host.standstill?.moved();
          slept = true;
          this.#sleep(operation, deadline);
          polls = Math.min(this.#spinPolls, WOKEN_POLLS);
          until = 0;
        } else if (polls % POLLS_A_LOOK === 0 && this.#spinMs !== Number.POSITIVE_INFINITY) {
          // Code that V8 has not compiled yet, or a device behind a system call, polls slowly.
          const time = now();
          if (until === 0) until = time + this.#spinMs;
          else if (time > until) polls = 0;
        }
      }
    }
    if (slept) host.standstill?.moved();
    return true;
  }

  #late(slept: boolean): false {
    if (slept) this.#host.standstill?.moved();
    return false;
  }

  #sleep(operation: Awaited, deadline: number): void {
    const host = this.#host;
    const node = this.#node;
    const alone = node === null || operation.peer === host.rank;
    let quiet = false;
    host.arm('block');
    try {
      // What was published before the doorbell was armed does not ring it: look once more.
      quiet = host.progress() === 0 && operation.state === PENDING;
      if (quiet && host.polls) nap();
      else if (quiet && !alone) {
        host.standstill?.sleeps();
        const look = Math.min(host.standstill?.lookMs ?? SLEEP_CHECK_MS, asksAfter(operation));
        node.block(Math.min(sleepMs(deadline), look));
      }
    } finally {
      node?.disarm();
      host.loop.wake();
    }
    if (!quiet || host.progress() > 0 || operation.state !== PENDING) {
      const told = host.standstill?.moved();
      if (told && operation.state === PENDING) throw told;
      return;
    }
    if (host.polls) return;
    if (alone) throw this.#deadlock(operation);
    host.failures.checkPeers();
    if (operation.state !== PENDING) return;
    if (asksAfter(operation) !== Number.POSITIVE_INFINITY) operation.stalled?.();
    else this.#lookAround(operation, deadline);
  }

  /** @throws MpiError ERR_DEADLOCK where all ranks that could end the operation wait, too */
  #lookAround(operation: Awaited, deadline: number): void {
    const { standstill } = this.#host;
    const error = standstill?.slept(() => ({
      ...operation.waits(),
      mayGoOn: deadline !== NO_DEADLINE,
      stack: currentCalls(),
    }));
    if (!error) return;
    standstill?.moved();
    throw error;
  }

  /** A rank that blocks can neither send to itself nor receive from itself any more. */
  #deadlock({ isSend, peer, tag }: Awaited): MpiError {
    const { rank } = this.#host;
    const what = isSend
      ? 'blocks until its message to itself is received: post the receive first (irecv)'
      : 'blocks for a message that only this rank itself could send: send it first (isend), or await the receive';
    return new MpiError('ERR_DEADLOCK', `rank ${rank} ${what}`, { rank, peer, tag });
  }

  /**
   * Blocks until everything that was sent has left this rank. A send that nobody receives is given up
   * once its receiver, too, is in MPI.finalize() and nothing has moved for {@link FINALIZE_GRACE_MS}.
   * @returns how many sends were given up
   */
  drain(busy: BusyPeers, large: Outgoing): number {
    const host = this.#host;
    const node = this.#node;
    node?.leave();
    let quiet = 0;
    while (busy.count > 0 || large.outgoing > 0) {
      if (host.progress() > 0) {
        quiet = 0;
        continue;
      }
      if (node === null) break;
      host.arm('block');
      if (host.progress() === 0) node.block(FINALIZE_GRACE_MS / 4);
      node.disarm();
      // Whoever still has to take something may yet post a receive.
      if (this.#anyPresent(node, [...busy.all(), ...large.receivers()])) quiet = 0;
      else if (++quiet > 4) break;
    }
    return busy.count + large.outgoing;
  }

  #anyPresent(node: Transport, peers: readonly Peer[]): boolean {
    const others = peers.filter(({ rank }) => rank !== this.#host.rank);
    return others.some(({ rank }) => node.presence(rank) === 'present');
  }
}

function asksAfter({ asksAfterMs = Number.POSITIVE_INFINITY }: Awaited): number {
  return asksAfterMs;
}

/** Until the next look at whether others are there, or the deadline. */
function sleepMs(deadline: number): number {
  if (deadline === NO_DEADLINE) return SLEEP_CHECK_MS;
  return Math.min(SLEEP_CHECK_MS, Math.max(1, Math.ceil(deadline - now())));
}

const napping = new Int32Array(new SharedArrayBuffer(4));

function nap(): void {
  Atomics.wait(napping, 0, 0, WORKER_LOOK_MS);
}
