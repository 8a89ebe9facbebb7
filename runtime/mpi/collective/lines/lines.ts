/**
 * The control lines of a communicator whose ranks are all on one node (docs/internals/collectives.md#lines): how
 * rounds are written and read, and what becomes of operations when a rank fails.
 */
import type {
  MappedMemory,
  SharedBlock,
  SharedBlocks,
} from '../../../../transports/shared-block.ts';
import { MpiError } from '../../../base/error.ts';
import { callsOf, currentCalls } from '../../../messaging/deadlock/call-site.ts';
import type { WaitedOperation } from '../../../messaging/deadlock/waits.ts';
import { PENDING } from '../../../messaging/operation.ts';
import type { SharedUser } from '../../../messaging/shared-operations.ts';
import type { Elements } from '../../datatype/data.ts';
import type { Endpoint } from '../../point-to-point/endpoint.ts';
import { waitWithin } from '../../point-to-point/timeout.ts';
import type { Kind } from '../op/kinds.ts';
import { callInWords, operationOfWord } from '../signature.ts';
import { errorOf, messageOf, nap, tell } from './failure.ts';
import { AREA_BYTES, GAVE_UP, GAVE_UP_SILENTLY, linesBytes } from './layout.ts';
import { type LineHost, type LineOperation, Mismatch } from './operation.ts';
import { Slots } from './slots.ts';

/** Polls of the lines alone before a rank that blocks makes progress for all else. */
export const LINE_POLLS = 200;

/** How long a rank waits for what another one says of a mismatch, in milliseconds. */
export const MISMATCH_MS = 200;

export class Lines implements SharedUser, LineHost {
  readonly endpoint: Endpoint;
  readonly slots: Slots;
  #areaReserved = false;
  /** Operations under way, in the order of their rounds. */
  readonly #pending: LineOperation[] = [];
  /** Members that are lost, and why. */
  readonly #lost = new Map<number, MpiError>();
  /** Why nothing can begin any more. */
  #broken: MpiError | null = null;
  #freed = false;
  #polling = false;
  readonly #elements = new Map<Kind, Elements>();

  /** @param start the round before the first; the same at all ranks */
  constructor(endpoint: Endpoint, start = 0) {
    this.endpoint = endpoint;
    this.slots = new Slots(endpoint.size, endpoint.rank, start);
    endpoint.engine.shared.open(this);
  }

  /** Whether the ranks of a communicator have memory in common. All of them get the same answer. */
  static reach({ engine, size, members }: Endpoint): boolean {
    const { blocks } = engine.shared;
    return size > 1 && blocks?.reach(members) === true;
  }

  // ---- operations

  /** Begins, and goes as far as it can; it may end at once. @throws MpiError why nothing can begin */
  begin(operation: LineOperation): void {
    this.endpoint.checkAlive();
    if (this.#broken !== null) throw this.#broken;
    this.slots.run = 0;
    operation.begin();
    this.#add(operation);
  }

  /** What {@link Slots.runBarrier} has written goes on as an operation. */
  resume(operation: LineOperation): void {
    this.slots.run = 0;
    operation.resume(this.slots.round);
    this.#add(operation);
  }

  #add(operation: LineOperation): void {
    const { shared, peers } = this.endpoint.engine;
    this.#pending.push(operation);
    if (this.#pending.length === 1) shared.begin(this);
    for (let member = 0; member < this.slots.size; member++) {
      const error = peers[this.endpoint.members.worldOf(member)]?.error ?? null;
      if (error !== null) this.#lost.set(member, error);
    }
    this.poll();
  }

  /**
   * Blocks until what was begun has ended.
   * @throws MpiError with which it failed; ERR_TIMEOUT, ERR_DEADLOCK: nothing can begin any more if others still wait
   *   for this rank
   */
  finish(operation: LineOperation): void {
    const { shared } = this.endpoint.engine;
    if (shared.spins)
      for (let polls = LINE_POLLS; operation.state === PENDING && polls > 0; polls--) this.poll();
    try {
      if (operation.state === PENDING) waitWithin(this.endpoint, operation);
    } catch (error) {
      if (!operation.abandon()) this.#giveUp(error as Error);
      throw error;
    }
    if (operation.error !== null) throw operation.error;
    if (shared.spins && this.#pending.length === 0 && !this.#freed) this.slots.allowRun();
  }

  wasRead(operation: LineOperation): void {
    if (operation === this.#pending[0]) this.#tellDone();
  }

  #tellDone(): void {
    const { slots } = this;
    const [oldest] = this.#pending;
    slots.done = oldest === undefined ? slots.round : (oldest.first + oldest.read - 1) | 0;
    if (slots.block !== null) slots.tellDone();
  }

  // ---- progress

  poll(): number {
    // What a step calls may make progress, too.
    if (this.#polling) return 0;
    this.#polling = true;
    try {
      return this.#poll();
    } finally {
      this.#polling = false;
    }
  }

  #poll(): number {
    if (this.slots.block === null && !this.#tryOpen()) return this.#lookAtLost();
    let moved = 0;
    for (let i = 0; i < this.#pending.length; i++) moved += this.#step(this.#pending[i]);
    if (moved > 0) this.#settle();
    else {
      moved += this.#lookAtLost();
      moved += this.#lookAtBroken();
    }
    return moved;
  }

  #step(operation: LineOperation): number {
    try {
      return operation.state === PENDING ? operation.step() : 1;
    } catch (error) {
      this.#giveUp(error as Error);
      return 1;
    }
  }

  /** Those that have ended are under way no more. */
  #settle(): void {
    const pending = this.#pending;
    let kept = 0;
    for (const operation of pending) if (operation.state === PENDING) pending[kept++] = operation;
    const ended = pending.length - kept;
    pending.length = kept;
    if (ended === 0) return;
    this.#tellDone();
    if (kept > 0) return;
    this.endpoint.engine.shared.finish(this);
    if (this.#freed) this.#close();
  }

  #tryOpen(): boolean {
    const { engine, members } = this.endpoint;
    try {
      const block = engine.shared.blocks?.open(this.#name, members) ?? null;
      if (block === null) return false;
      this.slots.open(block);
      return true;
    } catch (error) {
      this.#fail(error as MpiError);
      return false;
    }
  }

  get #name(): { serial: number; bytes: number; areaBytes: number } {
    const { pair } = this.endpoint;
    const serial = pair === null ? 0 : (pair.serials as Float64Array)[0];
    return { serial: serial + 1, bytes: linesBytes(this.slots.size), areaBytes: AREA_BYTES };
  }

  waitsOf(operation: LineOperation): WaitedOperation[] {
    const { members, name: communicator } = this.endpoint;
    // One that only waits for those before it waits for what they wait for.
    const first = this.#missing(operation).length > 0 ? operation : (this.#pending[0] ?? operation);
    return this.#missing(first).map((member) => ({
      operation: first.signature.operation,
      peer: member,
      tag: first.tag,
      communicator,
      from: [members.worldOf(member)],
    }));
  }

  #missing(operation: LineOperation): number[] {
    const members = Array.from({ length: this.slots.size }, (_, member) => member);
    return members.filter((member) => member !== this.slots.rank && operation.needs(member));
  }

  // ---- failures

  lost(rank: number, error: MpiError): void {
    const member = this.endpoint.members.rankOf(rank);
    if (member < 0 || member >= this.slots.size) return;
    this.#lost.set(member, error);
    this.poll();
  }

  /** What needs a line that a lost member has not written never goes on. */
  #lookAtLost(): number {
    for (const [member, error] of this.#lost)
      if (this.#pending.some((operation) => operation.needs(member))) {
        this.#giveUp(error);
        return 1;
      }
    return 0;
  }

  #lookAtBroken(): number {
    const { slots } = this;
    for (let member = 0; slots.block !== null && member < slots.size; member++)
      if (slots.brokenOf(member) !== 0) {
        const error = this.#toldBy(slots.block, member);
        if (error.code === 'ERR_MISMATCH' && this.#pending.length > 0)
          this.#giveUp(new Mismatch(this.#pending[0], member, slots.brokenOf(member)));
        else this.#fail(error);
        return 1;
      }
    return 0;
  }

  #toldBy(block: SharedBlock, member: number): MpiError {
    const { members, engine } = this.endpoint;
    const said = this.slots.brokenOf(member) === GAVE_UP;
    return errorOf(said ? block : null, member, engine.rank, members.worldOf(member));
  }

  /** This rank goes on with nothing of what is under way; the others are told. */
  #giveUp(cause: Error): void {
    const { slots } = this;
    const error = this.#inOurTerms(cause);
    if (slots.block !== null && this.#broken === null) {
      let how = GAVE_UP;
      try {
        this.reserveArea();
        tell(slots.block, slots.rank, error);
      } catch {
        how = GAVE_UP_SILENTLY;
      }
      slots.break(how);
    }
    if (cause instanceof Mismatch) this.#fail(this.#mismatch(cause, error));
    else this.#fail(error);
  }

  /** Nothing can begin any more: a call that goes by messages has met another one. */
  refuse(error: MpiError): void {
    if (this.#broken !== null) return;
    // Others may wait on the lines, though this rank has not used them.
    if (this.slots.block === null && !this.#freed) this.#tryOpen();
    this.#giveUp(error);
  }

  #inOurTerms(cause: Error): MpiError {
    const { rank } = this.endpoint.engine;
    if (cause instanceof MpiError) return cause;
    if (cause instanceof Mismatch) {
      const { signature, site } = cause.operation;
      const calls = site === null ? currentCalls() : callsOf(site);
      return new MpiError('ERR_MISMATCH', `${callInWords(signature)}\n${calls}`, { rank });
    }
    return new MpiError('ERR_INTERNAL', `a collective operation failed: ${cause.message}`, {
      rank,
      cause,
    });
  }

  /** Both sides' calls; of the other one as much as it says within {@link MISMATCH_MS}. */
  #mismatch({ member, word }: Mismatch, mine: MpiError): MpiError {
    const { slots, endpoint } = this;
    for (let waited = 0; waited < MISMATCH_MS && slots.brokenOf(member) === 0; waited++) nap();
    const told =
      slots.block !== null && slots.brokenOf(member) === GAVE_UP
        ? messageOf(slots.block, member)
        : `${operationOfWord(word) ?? 'something unknown'}, with other arguments`;
    const { rank } = endpoint.engine;
    const peer = endpoint.members.worldOf(member);
    return new MpiError(
      'ERR_MISMATCH',
      `ranks of ${endpoint.name} call different collective operations:\n  rank ${slots.rank}: ${mine.message}\n  rank ${member}: ${told}`,
      { rank, peer },
    );
  }

  #fail(error: MpiError): void {
    this.#broken ??= error;
    this.slots.run = 0;
    for (const operation of [...this.#pending])
      if (operation.state === PENDING) operation.end(error);
    this.#settle();
  }

  /** MPI ends. */
  end(error: MpiError): void {
    this.#fail(error);
    this.slots.block = null;
  }

  // ---- memory

  /** The block as elements of a kind. */
  elementsOf(kind: Kind): Elements {
    let elements = this.#elements.get(kind);
    if (elements === undefined) {
      const { buffer, byteOffset, length } = this.slots.bytes;
      elements = kind.view(buffer, byteOffset, Math.floor(length / kind.bytes));
      this.#elements.set(kind, elements);
    }
    return elements;
  }

  /** Memory of this rank that the others map; null where they do not. */
  exportMemory(bytes: Uint8Array): MappedMemory | null {
    return this.endpoint.engine.shared.blocks?.exportMemory(bytes) ?? null;
  }

  /** @throws MpiError ERR_PROTOCOL where there is no such memory */
  forEachMapped(...range: Parameters<SharedBlocks['forEach']>): void {
    this.endpoint.engine.shared.blocks?.forEach(...range);
  }

  /** This rank's area has memory from now on. @throws MpiError ERR_NO_MEM */
  reserveArea(): void {
    if (this.#areaReserved) return;
    (this.slots.block as SharedBlock).reserveArea();
    this.#areaReserved = true;
  }

  /** The program has freed the communicator. What is under way comes to its end. */
  free(): void {
    this.#freed = true;
    this.slots.run = 0;
    if (this.#pending.length === 0) this.#close();
  }

  #close(): void {
    this.#elements.clear();
    const { slots } = this;
    const { shared } = this.endpoint.engine;
    shared.close(this);
    if (slots.block === null) shared.blocks?.forsake(this.#name, this.endpoint.members);
    else slots.block.close();
    slots.block = null;
  }
}
