/** What the scenarios need: a manager, and somebody at the other end who sees what really moved. */
import type { Operation } from '../../../runtime/memory/domain.ts';
import type { PinnedMemoryManager } from '../../../runtime/memory/manager.ts';

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
