/** Operations of several ranks that look at memory which these ranks have in common, and not at messages. */
import type { SharedBlocks } from '../../transports/shared-block.ts';
import type { MpiError } from '../base/error.ts';

/** Some ranks' memory, and the operations in it that are under way. */
export interface SharedUser {
  /** Looks, and goes on as far as it can; how much has moved. */
  poll(): number;
  /** A rank of the world has ended, or cannot be talked to any more. */
  lost(rank: number, error: MpiError): void;
  /** MPI ends: nothing touches the memory any more, and what is under way fails. */
  end(error: MpiError): void;
}

export class SharedOperations {
  /** Null where this rank has no memory in common with any other. */
  readonly blocks: SharedBlocks | null;
  /** Whether a rank that waits may look for a while before it sleeps. */
  readonly spins: boolean;
  /** Those with operations under way. */
  readonly active: SharedUser[] = [];
  readonly #users = new Set<SharedUser>();

  constructor(blocks: SharedBlocks | null, spins: boolean) {
    this.blocks = blocks;
    this.spins = spins;
  }

  open(user: SharedUser): void {
    this.#users.add(user);
  }

  close(user: SharedUser): void {
    this.#users.delete(user);
  }

  begin(user: SharedUser): void {
    this.active.push(user);
  }

  finish(user: SharedUser): void {
    this.active.splice(this.active.indexOf(user), 1);
  }

  poll(): number {
    if (this.active.length === 1) return this.active[0].poll();
    let moved = 0;
    for (const user of [...this.active]) moved += user.poll();
    return moved;
  }

  lost(rank: number, error: MpiError): void {
    for (const user of [...this.active]) user.lost(rank, error);
  }

  end(error: MpiError): void {
    for (const user of this.#users) user.end(error);
    this.#users.clear();
  }
}
