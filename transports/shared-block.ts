/** Memory that some ranks of one node have in common, for what they do together without messages. */

/** Those who share a block, each by its number. */
export interface BlockMembers {
  readonly size: number;
  /** The rank in the world of a member. */
  worldOf(rank: number): number;
}

/** What all members call a block. No name is given twice. */
export interface BlockName {
  /** Member 0 makes the block; the serial is a number of its own, from 1 on. */
  readonly serial: number;
  /** Bytes that are there from the start. */
  readonly bytes: number;
  /** Bytes of each member's area behind them, a multiple of 4096, which is there once its member asks for it. */
  readonly areaBytes: number;
}

/** A member's hold on a block. */
export interface SharedBlock {
  /** The block lies at `memory[byteOffset..]`: its bytes, then the areas in the order of the members. It is all zero at first. */
  readonly memory: ArrayBuffer;
  readonly byteOffset: number;
  /** Where the areas begin in `memory`. */
  readonly areasOffset: number;
  /**
   * Whether a plain store publishes: the other members issue the barriers before they sleep. Where it does not, a
   * store that members may sleep for is an atomic one.
   */
  isFenced(): boolean;
  /** Wakes the other members that sleep; called after the store that they should see. */
  ringAll(): void;
  ring(member: number): void;
  /** Gives memory to this member's area. @throws MpiError ERR_NO_MEM */
  reserveArea(): void;
  /** This rank touches the block no more. Once no member does, its memory is given back. */
  close(): void;
}

/** What makes blocks. */
export interface SharedBlocks {
  /** There are more ranks than CPUs: who waits for another one keeps it from running. All ranks get the same answer. */
  readonly crowded: boolean;
  /** Whether all of these ranks have memory in common. All of them get the same answer. */
  reach(members: BlockMembers): boolean;
  /**
   * Makes the block, if this rank is member 0, or finds it.
   * @returns null while member 0 has not made it, and where this rank has no memory for it: from then on it {@link declines}
   * @throws MpiError ERR_PROTOCOL where a peer names what cannot be
   */
  open(name: BlockName, members: BlockMembers): SharedBlock | null;
  /** Whether a rank of the world opens no more blocks than it has open. */
  declines(rank: number): boolean;
  /** This rank will never open the block: as if it had been opened and closed. */
  forsake(name: BlockName, members: BlockMembers): void;
}
