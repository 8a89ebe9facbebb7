/** What the scenarios need: a manager, and somebody at the other end who sees what really moved. */
import type { Domain, Operation } from '../../../runtime/memory/domain.ts';
import { type ManagerOptions, PinnedMemoryManager } from '../../../runtime/memory/manager.ts';
import type { Monitor } from '../../../runtime/memory/monitor.ts';

/** A manager, whatever its operations are. */
export type AnyManager = Pick<
  PinnedMemoryManager<Operation>,
  'acquire' | 'post' | 'keep' | 'stats' | 'flush' | 'close'
>;

export interface Mover {
  readonly manager: AnyManager;
  readonly monitorName: string;
  /** Whether its monitor lets registrations outlive their operations. */
  readonly caches: boolean;
  /** Moves the view's bytes out by its registration; answers what the other end got. */
  send(view: Uint8Array): Uint8Array;
  /**
   * Moves `bytes` of the other end into the view by its registration; `meanwhile` runs when the view
   * is leased and nothing has come yet.
   */
  receive(view: Uint8Array, bytes: Uint8Array, meanwhile?: () => void): void;
  /** One with a manager, monitor and domain of its own. */
  sibling(): Mover;
  close(): void;
}

type Told = (result: number) => void;

/** What happens while an operation is under way. */
export interface Meanwhile {
  /** The view is leased, and nothing is posted yet. */
  leased?: (() => void) | undefined;
  posted?: () => void;
  /** Over, and the lease still there. */
  moved?: () => void;
}

/** One that has a manager over a domain, and waits for one operation after the other. */
export abstract class ManagedMover<O extends Operation> {
  readonly manager: PinnedMemoryManager<O>;
  readonly monitorName: string;
  readonly caches: boolean;

  constructor(monitor: Monitor, domain: Domain<O>, options: Partial<ManagerOptions<O>>) {
    this.manager = new PinnedMemoryManager({ monitor, domain, audit: true, ...options });
    this.monitorName = monitor.name;
    this.caches = monitor.caches;
  }

  /** Until it is so, or for as long as a test has patience. */
  protected abstract wait(so: () => boolean): void;

  /** One operation on the view, to its end. @returns how many bytes were moved */
  protected move(
    view: Uint8Array,
    access: number,
    make: (told: Told) => O,
    meanwhile: Meanwhile = {},
  ): number {
    const lease = this.manager.acquire(view, access);
    meanwhile.leased?.();
    let result: number | undefined;
    const operation = make((moved) => {
      result = moved;
    });
    const answer = this.manager.post(operation, lease);
    if (answer < 0) throw new Error(`the operation was not posted: ${answer}`);
    meanwhile.posted?.();
    this.wait(() => result !== undefined);
    meanwhile.moved?.();
    lease.release();
    if (result === undefined || result < 0) throw new Error(`the operation failed: ${result}`);
    return result;
  }

  /** As `move`, of all bytes of the view. */
  protected moveAll(
    view: Uint8Array,
    access: number,
    make: (told: Told) => O,
    meanwhile?: Meanwhile,
  ): void {
    const moved = this.move(view, access, make, meanwhile);
    if (moved !== view.length) throw new Error(`${moved} of ${view.length} bytes were moved`);
  }
}
