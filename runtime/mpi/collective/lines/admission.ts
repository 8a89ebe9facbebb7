/**
 * Whether the ranks of a communicator use its block, and the areas in it (docs/internals/control-lines.md#memory). Each rank says once
 * whether it has the memory, and goes on when all have said so. So all come to the same answer: on the lines, or by messages.
 */
import { MpiError } from '../../../base/error.ts';
import { HAS, LACKS, STATUS } from './layout.ts';
import type { Slots } from './slots.ts';

interface AdmissionHost {
  /** Opens the block, if it is there and this rank takes part in blocks. */
  open(): void;
  /** Whether a member opens no more blocks. */
  declines(member: number): boolean;
  /** @throws MpiError ERR_NO_MEM */
  reserveArea(): void;
}

export class Admission {
  readonly #slots: Slots;
  readonly #host: AdmissionHost;
  /** What all have said; null while some have not. */
  #lines: boolean | null = null;
  #areas: boolean | null = null;
  #saidArea = false;

  constructor(slots: Slots, host: AdmissionHost) {
    this.#slots = slots;
    this.#host = host;
  }

  /** Whether an operation goes on the lines; null: not all ranks have said so. */
  of(needsAreas: boolean): boolean | null {
    this.#lines ??= this.#askLines();
    if (this.#lines !== true || !needsAreas) return this.#lines;
    this.#areas ??= this.#askAreas();
    return this.#areas;
  }

  /** Everything goes by messages. */
  get refused(): boolean {
    return this.#lines === false;
  }

  #askLines(): boolean | null {
    const slots = this.#slots;
    const members = Array.from({ length: slots.size }, (_, member) => member);
    // Looked at first: a member that declines may have opened this block before, and never does later.
    const declining = members.filter((member) => this.#host.declines(member));
    if (slots.block === null) this.#host.open();
    if (slots.block === null)
      return declining.length > 0 || this.#host.declines(slots.rank) ? false : null;
    const missing = members.filter((member) => slots.saidBy(member, STATUS.lines) !== HAS);
    if (missing.some((member) => declining.includes(member))) return false;
    return missing.length === 0 ? true : null;
  }

  #askAreas(): boolean | null {
    const slots = this.#slots;
    if (!this.#saidArea) {
      this.#saidArea = true;
      slots.say(STATUS.area, this.#reserveArea() ? HAS : LACKS);
    }
    let all = true;
    for (let member = 0; member < slots.size; member++) {
      const said = slots.saidBy(member, STATUS.area);
      if (said === LACKS) return false;
      all &&= said === HAS;
    }
    return all ? true : null;
  }

  #reserveArea(): boolean {
    try {
      this.#host.reserveArea();
      return true;
    } catch (error) {
      if (error instanceof MpiError && error.code === 'ERR_NO_MEM') return false;
      throw error;
    }
  }

  /** Whether a member has not said what an operation waits for. */
  awaits(member: number, needsAreas: boolean): boolean {
    const slots = this.#slots;
    // Nobody can have opened what is not there yet.
    if (slots.block === null) return this.#lines === null;
    if (this.#lines === null) return slots.saidBy(member, STATUS.lines) === 0;
    return needsAreas && this.#areas === null && slots.saidBy(member, STATUS.area) === 0;
  }
}
