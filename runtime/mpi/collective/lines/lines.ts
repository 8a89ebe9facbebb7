/**
 * The control lines of a communicator whose ranks are all on one node (docs/internals/control-lines.md#lines): how
 * rounds are written and read, and what becomes of operations when a rank fails.
 */
import type { SharedBlock, SharedBlocks } from '../../../../transports/shared-block.ts';
import { MpiError } from '../../../base/error.ts';
import type { WaitedOperation } from '../../../messaging/deadlock/waits.ts';
import { PENDING } from '../../../messaging/operation.ts';
import type { SharedUser } from '../../../messaging/shared-operations.ts';
import type { Elements } from '../../datatype/data.ts';
import type { Endpoint } from '../../point-to-point/endpoint.ts';
import { waitWithin } from '../../point-to-point/timeout.ts';
import { nodesOf } from '../nodes.ts';
import type { Kind } from '../op/kinds.ts';
import { Admission } from './admission.ts';
import { errorOf, tell } from './failure.ts';
import { AREA_BYTES, GAVE_UP, GAVE_UP_SILENTLY, linesBytes, STATUS } from './layout.ts';
import { MembersMemory } from './members-memory.ts';
import type { LineHost, LineOperation } from './operation.ts';
import { NONE, Slots } from './slots.ts';

/** Polls of the lines alone before a rank that blocks makes progress for all else. */
export const LINE_POLLS = 200;

/** The name of lines is the serial of their communicator, and a number above it; both in what a double holds exactly. */
const SERIALS_MAX = 2 ** 32;
const NUMBERS_MAX = 2 ** 21;

function serialOf({ pair }: Endpoint): number {
  return 1 + (pair === null ? 0 : (pair.serials as Float64Array)[0]);
}

export class Lines implements SharedUser, LineHost {
  readonly endpoint: Endpoint;
  readonly slots: Slots;
  readonly memory: MembersMemory;
  readonly #admission: Admission;
  #areaReserved = false;
  /** Operations under way, in the order of their calls: first those that have their rounds. */
  readonly #pending: LineOperation[] = [];
  /** Members that are lost, and why. */
  readonly #lost = new Map<number, MpiError>();
  /** Why nothing can begin any more. */
  #broken: MpiError | null = null;
  #freed = false;
  #closed = false;
  /** All members' calls up to this round are this rank's. */
  #compared = 0;
  #polling = false;
  readonly #elements = new Map<Kind, Elements>();

  /** 0: the communicator's own; else the number of a persistent operation. */
  readonly #number: number;

  /** @param start the round before the first; the same at all ranks */
  constructor(endpoint: Endpoint, start = 0, number = 0) {
    this.endpoint = endpoint;
    this.#number = number;
    this.slots = new Slots(endpoint.size, endpoint.rank, start);
    this.memory = new MembersMemory(endpoint, this.slots);
    this.#admission = new Admission(this.slots, {
      open: () => this.#tryOpen(),
      declines: (member) => this.#blocks.declines(endpoint.members.worldOf(member)),
      reserveArea: () => this.reserveArea(),
    });
    this.#compared = start;
    endpoint.engine.shared.open(this);
  }

  get #blocks(): SharedBlocks {
    return this.endpoint.engine.shared.blocks as SharedBlocks;
  }

  /** The ranks have agreed to do without. */
  get refused(): boolean {
    return this.#admission.refused;
  }

  /** All ranks have memory for what does not lie in their lines, and have said so. */
  get hasAreas(): boolean {
    return this.#admission.of(true) === true;
  }

  /** There are more ranks than CPUs on the node. */
  get crowded(): boolean {
    return this.#blocks.crowded;
  }

  /** Whether the ranks of a communicator have memory in common. All of them get the same answer. */
  static reach(endpoint: Endpoint): boolean {
    const { engine, size, members } = endpoint;
    const { blocks } = engine.shared;
    return size > 1 && blocks?.reach(members) === true && nodesOf(endpoint) === undefined;
  }

  /** Whether lines of a persistent operation can have a name of their own. All ranks get the same answer. */
  static canName(endpoint: Endpoint, number: number): boolean {
    return serialOf(endpoint) < SERIALS_MAX && number < NUMBERS_MAX;
  }

  // ---- operations

  /**
   * Begins, and goes as far as it can; it may end at once.
   * @param before as {@link Slots.stamp}
   * @throws MpiError why nothing can begin
   */
  begin(operation: LineOperation, before: number): void {
    this.endpoint.checkAlive();
    if (this.#broken !== null) throw this.#broken;
    this.slots.run = 0;
    operation.enter(before);
    this.#add(operation);
  }

  /** What {@link Slots.runBarrier} has written goes on as an operation. */
  resume(operation: LineOperation): void {
    this.slots.run = 0;
    operation.enter(0);
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

  /** Polls the lines for a short while. @param most polls */
  look(operation: LineOperation, most: number): void {
    if (!this.endpoint.engine.shared.spins) return;
    for (let polls = most; operation.state === PENDING && polls > 0; polls--) this.poll();
  }

  /**
   * Blocks until what was begun has ended.
   * @throws MpiError with which it failed; ERR_TIMEOUT, ERR_DEADLOCK: nothing can begin any more if others still wait
   *   for this rank
   */
  finish(operation: LineOperation): void {
    try {
      if (operation.state === PENDING) waitWithin(this.endpoint, operation);
    } catch (error) {
      if (!operation.abandon()) this.fail(error as MpiError);
      throw error;
    }
    if (operation.error !== null) throw operation.error;
    this.allowRun();
  }

  /** Short operations may go the short way, unless something is under way. */
  allowRun(): void {
    if (this.#pending.length > 0 || this.#freed || this.#broken !== null) return;
    if (this.endpoint.engine.shared.spins) this.slots.allowRun();
  }

  wasRead(operation: LineOperation): void {
    if (operation === this.#pending[0]) this.#tellDone();
  }

  #tellDone(): void {
    const { slots } = this;
    const [oldest] = this.#pending;
    slots.done = oldest?.begun === true ? (oldest.first + oldest.read - 1) | 0 : slots.round;
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
    let moved = 0;
    for (let i = 0; i < this.#pending.length; i++) {
      const did = this.#step(this.#pending[i]);
      if (did < 0) break;
      moved += did;
    }
    if (moved > 0) this.#settle();
    else {
      moved += this.#lookAtLost();
      moved += this.#lookAtBroken();
    }
    return moved;
  }

  /** @returns how much has moved; -1: it waits until all ranks have said whether they have memory, and so do those behind it */
  #step(operation: LineOperation): number {
    try {
      if (operation.state !== PENDING) return 1;
      if (operation.begun) return operation.step();
      const admitted = this.#admission.of(operation.needsAreas);
      if (admitted === null) return -1;
      if (admitted) operation.begin();
      else operation.decline();
      return admitted ? operation.step() : 1;
    } catch (error) {
      this.fail(this.#inOurTerms(error as Error));
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
    if (this.#freed || this.refused) this.#close();
  }

  #tryOpen(): void {
    const block = this.#blocks.open(this.#name, this.endpoint.members);
    if (block !== null) this.slots.open(block);
  }

  get #name(): { serial: number; bytes: number; areaBytes: number } {
    const serial = serialOf(this.endpoint) + this.#number * SERIALS_MAX;
    return { serial, bytes: linesBytes(this.slots.size), areaBytes: AREA_BYTES };
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

  awaits(member: number, { needsAreas }: LineOperation): boolean {
    return this.#admission.awaits(member, needsAreas);
  }

  #missing(operation: LineOperation): number[] {
    const members = Array.from({ length: this.slots.size }, (_, member) => member);
    return members.filter((member) => member !== this.slots.rank && operation.needs(member));
  }

  // ---- failures

  /** A member that has made another call than this rank; -1: none is known. */
  findOther(): number {
    const { slots } = this;
    if (slots.block === null || this.#compared === slots.round) return -1;
    const other = slots.findOther();
    if (other === NONE) this.#compared = slots.round;
    return Math.max(other, -1);
  }

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
        this.fail(error);
        return 1;
      }
    return 0;
  }

  #lookAtBroken(): number {
    try {
      this.checkNobodyGaveUp();
      return 0;
    } catch (error) {
      this.#fail(error as MpiError);
      return 1;
    }
  }

  /** @throws MpiError what a member has given up with */
  checkNobodyGaveUp(): void {
    const { slots } = this;
    for (let member = 0; slots.block !== null && member < slots.size; member++)
      if (slots.saidBy(member, STATUS.broken) !== 0) throw this.#toldBy(slots.block, member);
  }

  #toldBy(block: SharedBlock, member: number): MpiError {
    const { members, engine } = this.endpoint;
    const said = this.slots.saidBy(member, STATUS.broken) === GAVE_UP;
    return errorOf(said ? block : null, member, engine.rank, members.worldOf(member));
  }

  /** What is under way can never end, so this rank goes on with nothing of it; the others are told. */
  fail(error: MpiError): void {
    const { slots } = this;
    if (slots.block !== null && this.#broken === null) {
      let how = GAVE_UP;
      try {
        this.reserveArea();
        tell(slots.block, slots.rank, error);
      } catch {
        how = GAVE_UP_SILENTLY;
      }
      slots.say(STATUS.broken, how);
    }
    this.#fail(error);
  }

  #inOurTerms(error: Error): MpiError {
    if (error instanceof MpiError) return error;
    const { rank } = this.endpoint.engine;
    const message = `a collective operation failed: ${error.message}`;
    return new MpiError('ERR_INTERNAL', message, { rank, cause: error });
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
    if (this.#closed) return;
    this.#closed = true;
    this.#elements.clear();
    const { slots } = this;
    this.endpoint.engine.shared.close(this);
    if (slots.block === null) this.#blocks.forsake(this.#name, this.endpoint.members);
    else slots.block.close();
    slots.block = null;
  }
}
