/** A rank, its peer, libuv and the doorbell, simulated; who chooses what happens next is told (event-loop.test.ts). */

import { expect } from 'vitest';
import type { Awaited } from '../../../../runtime/messaging/deadlock/loop-watch.ts';
import { EventLoopProgress, IDLE_TURNS } from '../../../../runtime/messaging/event-loop.ts';
import { loop } from './event-loop-clock.ts';

/** Decides what happens next: a number of 0..options-1. */
export type Choose = (options: number) => number;

export interface Plan {
  /** How often each may happen. */
  begins: number;
  messages: number;
  noise: number;
  leaves: number;
  blocks: number;
  /** Looks for messages that the program makes by itself: `test()`, or a blocking call that need not sleep. */
  looks: number;
  /** Operations that the rank ends by a message to itself, for which no doorbell rings. */
  selves: number;
  throws: number;
  /** In how many of the peer's chances it does nothing, for each in which it may act. */
  idle: number;
  spinMs: number;
}

export const NONE = {
  begins: 0,
  messages: 0,
  noise: 0,
  leaves: 0,
  blocks: 0,
  looks: 0,
  selves: 0,
  throws: 0,
  idle: 1,
};

interface TestOperation {
  awaited: boolean;
  readonly hold: Awaited;
}

function newOperation(): TestOperation {
  const told = { operation: 'recv', peer: 1, tag: 0, communicator: 'a test', from: [1] };
  return { awaited: false, hold: { describe: () => told, site: null, giveUp: () => {} } };
}

/** A rank and its peer. */
export class World {
  readonly plan: Plan;
  readonly left: Plan;
  readonly #choose: Choose;
  readonly loop: EventLoopProgress;
  /** Operations of the program that have not ended; whether somebody awaits them. */
  readonly operations: TestOperation[] = [];
  begun = 0;
  /** Messages that came before their operations. */
  unexpected = 0;
  /** Published by the peer and not taken: for an operation, or for nobody. */
  readonly inbox: ('message' | 'noise')[] = [];
  departed = false;
  closed = false;
  /** The doorbell: whoever publishes rings it. */
  armed = false;
  /** Signals on their way to the descriptor, and whether it is readable. */
  signals = 0;
  readable = false;
  onBell: (() => void) | null = null;
  referenced = false;
  #inCallback = false;

  constructor(plan: Plan, choose: Choose) {
    this.plan = plan;
    this.left = { ...plan };
    this.#choose = choose;
    const engine = {
      progress: () => this.progress(),
      arm: () => {
        this.peerMayAct();
        this.armed = true;
        this.peerMayAct();
      },
      failures: { checkPeers: () => this.checkPeers() },
      standstill: null,
    };
    const transport = {
      disarm: () => this.disarm(),
      watch: (onBell: () => void) => {
        this.onBell = onBell;
        this.referenced = true;
        return {
          ref: () => {
            this.referenced = true;
          },
          unref: () => {
            this.referenced = false;
          },
          close: () => {
            this.onBell = null;
            this.referenced = false;
          },
        };
      },
    };
    this.loop = new EventLoopProgress(engine, transport, plan.spinMs);
  }

  // ---- engine and transport

  progress(): number {
    if (this.closed) throw new Error('the engine is closed');
    this.peerMayAct();
    loop.time += 0.001;
    if (this.inbox.length > 0 && this.left.throws > 0 && this.#choose(2) === 1) {
      this.left.throws--;
      throw new Error('a broken device');
    }
    const taken = this.inbox.splice(0);
    for (const packet of taken) if (packet === 'message') this.#end();
    return taken.length;
  }

  checkPeers(): number {
    this.peerMayAct();
    if (!this.departed) return 0;
    const count = this.progress();
    if (count === 0) while (this.operations.length > 0) this.#end();
    return count;
  }

  #end(): void {
    const operation = this.operations.shift();
    if (operation === undefined) {
      this.unexpected++;
      return;
    }
    this.loop.untrack();
    if (operation.awaited) this.loop.release(operation.hold);
  }

  disarm(): void {
    this.peerMayAct();
    // As the doorbell does it: a signal that has come is taken back, one on its way is not.
    if (!this.armed) this.readable = false;
    this.armed = false;
  }

  // ---- the peer, at any moment

  peerMayAct(): void {
    const { left } = this;
    const actions: (() => void)[] = [];
    if (left.messages > 0 && !this.departed)
      actions.push(() => {
        left.messages--;
        this.inbox.push('message');
        this.#ring();
      });
    if (left.noise > 0 && !this.departed)
      actions.push(() => {
        left.noise--;
        this.inbox.push('noise');
        this.#ring();
      });
    if (left.leaves > 0)
      actions.push(() => {
        left.leaves--;
        this.departed = true;
        this.#ring();
      });
    if (this.signals > 0) actions.push(() => this.land());
    if (actions.length === 0) return;
    const choice = this.#choose(actions.length + left.idle) - left.idle;
    if (choice >= 0) actions[choice]();
  }

  #ring(): void {
    if (!this.armed) return;
    this.armed = false;
    this.signals++;
  }

  land(): void {
    this.signals--;
    this.readable = true;
  }

  // ---- libuv and the program: one callback after the other

  /** What can happen next in the rank. */
  get callbacks(): (() => void)[] {
    const { left, operations } = this;
    const callbacks: (() => void)[] = [];
    if (loop.immediates.length > 0) callbacks.push(() => loop.immediates.shift()?.());
    if (this.readable && this.onBell !== null) callbacks.push(() => this.ringBell());
    if (left.begins > 0 && !this.departed)
      callbacks.push(() => {
        left.begins--;
        this.begun++;
        if (this.unexpected > 0) {
          this.unexpected--;
          return;
        }
        operations.push(newOperation());
        this.loop.track();
      });
    if (left.selves > 0)
      callbacks.push(() => {
        left.selves--;
        this.begun++;
        operations.push(newOperation());
        this.inbox.push('message');
        this.loop.track();
      });
    const unawaited = operations.find(({ awaited }) => !awaited);
    if (unawaited !== undefined)
      callbacks.push(() => {
        unawaited.awaited = true;
        this.loop.hold(unawaited.hold);
      });
    if (left.blocks > 0)
      callbacks.push(() => {
        left.blocks--;
        this.block();
      });
    if (left.looks > 0)
      callbacks.push(() => {
        left.looks--;
        this.progress();
      });
    return callbacks;
  }

  ringBell(): void {
    this.readable = false;
    this.onBell?.();
  }

  /** A blocking call sleeps in the same doorbell. */
  block(): void {
    this.armed = true;
    try {
      this.progress();
    } finally {
      this.disarm();
      this.loop.wake();
    }
  }

  run(callback: () => void): void {
    expect(this.#inCallback).toBe(false);
    this.#inCallback = true;
    try {
      callback();
    } catch (error) {
      expect((error as Error).message).toBe('a broken device');
    }
    this.#inCallback = false;
    this.check();
  }

  /** What holds between any two callbacks. */
  check(): void {
    const turns = loop.immediates.length;
    const awaited = this.operations.some((operation) => operation.awaited);
    const doorbell = this.armed || this.signals > 0 || this.readable;
    if (turns > 1) throw new Error('more than one turn is scheduled');
    if (turns > 0 && this.armed && this.plan.throws === 0)
      throw new Error('it looks for messages by itself, and peers would still ring');
    if (turns === 0 && this.operations.length > 0 && !doorbell)
      throw new Error('an operation is under way, and nothing wakes the rank');
    if (turns === 0 && this.operations.length > 0 && this.inbox.length > 0 && this.armed)
      throw new Error('it sleeps over what has come');
    if (this.referenced && (turns > 0 || !awaited))
      throw new Error('the doorbell holds the process, and nobody awaits anything');
    if (turns === 0 && awaited && !this.referenced)
      throw new Error('the process would end while somebody awaits an operation');
  }

  /** Lets the event loop run until it has nothing to do; the peer and the program do nothing more. */
  rest(): void {
    Object.assign(this.left, NONE);
    for (let i = 0; i < 4 * IDLE_TURNS; i++) {
      if (this.signals > 0) this.land();
      else if (this.readable && this.onBell !== null) this.run(() => this.ringBell());
      else if (loop.immediates.length > 0) this.run(() => loop.immediates.shift()?.());
      else return;
    }
    throw new Error('it never rests');
  }

  /** What must hold in the end. */
  checkEnd(sent: number): void {
    const open = this.departed ? 0 : Math.max(0, this.begun - sent);
    if (this.operations.length > open) throw new Error('an operation that could end has not ended');
    if (open === 0 && this.referenced) throw new Error('a finished job hangs');
  }
}
