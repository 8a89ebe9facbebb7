/**
 * Memory of the members of a communicator, read from where it lies: how a rank's line tells of it, and how the others reach it. It may
 * be memory that they map, or private memory, which they read through the kernel.
 */
import {
  ACCESS_ADDRESS,
  ACCESS_NONE,
  type Channel,
  newRemoteAccess,
  type RemoteAccess,
} from '../../../../transports/transport.ts';
import { isBytes, lengthOf, NO_BYTES } from '../../../base/bytes.ts';
import { MpiError } from '../../../base/error.ts';
import type { Payload } from '../../datatype/data.ts';
import type { Endpoint } from '../../point-to-point/endpoint.ts';
import { checkIntact, unpack } from './copies.ts';
import type { Slots } from './slots.ts';

/** Words of a line that tell where memory is: how it is reached, and 64 bits. */
export const PLACE_WORDS = 3;
/** In place of an access: this rank offers nothing. */
const NO_OFFER = -1;
/** What does not lie side by side is read in pieces of so many bytes. */
const PIECE_BYTES = 64 * 1024;

export class MembersMemory {
  readonly #endpoint: Endpoint;
  readonly #slots: Slots;
  readonly #channels: Channel[] = [];
  /** Of the memory that is read now. */
  readonly #access = newRemoteAccess();
  #scratch = NO_BYTES;

  constructor(endpoint: Endpoint, slots: Slots) {
    this.#endpoint = endpoint;
    this.#slots = slots;
  }

  /**
   * Says in the words from `at` on how the others reach memory. All have to reach it alike.
   * @param payload null: this rank offers none; undefined: nobody may read what it has
   * @param held by member, what keeps it reachable until {@link takeBack}
   */
  offer(at: number, payload: Payload | null | undefined, held: RemoteAccess[]): void {
    const { words, size, rank } = this.#slots;
    let same: RemoteAccess | null = null;
    let kind = payload === null ? NO_OFFER : ACCESS_NONE;
    for (let member = 0; member < size && isBytes(payload); member++) {
      if (member === rank) continue;
      const access = newRemoteAccess();
      held.push(access);
      this.#export(member, payload, access);
      same ??= access;
      const differs = access.low !== same.low || access.high !== same.high;
      kind = differs || access.kind !== same.kind ? ACCESS_NONE : access.kind;
      if (kind === ACCESS_NONE) break;
    }
    words[at] = kind;
    words[at + 1] = same?.low ?? 0;
    words[at + 2] = same?.high ?? 0;
  }

  #export(member: number, bytes: Uint8Array, access: RemoteAccess): void {
    try {
      this.#channelTo(member).exportMemory(bytes, 0, lengthOf(bytes), 'pull', access);
    } catch (error) {
      // Without memory for a channel the bytes go through the slots.
      if (!(error instanceof MpiError) || error.code !== 'ERR_NO_MEM') throw error;
    }
    if (access.kind === ACCESS_ADDRESS && this.#endpoint.engine.singleCopy === 'never')
      access.kind = ACCESS_NONE;
  }

  takeBack(held: RemoteAccess[]): void {
    // Of memory in the heaps alone somebody counts the holders.
    for (const access of held) access.hold?.release();
    held.length = 0;
  }

  #channelTo(member: number): Channel {
    const { engine, members } = this.#endpoint;
    this.#channels[member] ??= engine.contact(members.worldOf(member)).channel;
    return this.#channels[member];
  }

  /** Whether the members that offer memory in these words of a round's lines have all made it reachable. */
  areReachable(round: number, word: number): boolean {
    const { words, size } = this.#slots;
    for (let member = 0; member < size; member++)
      if (words[this.#slots.lineAt(round, member) + word] === ACCESS_NONE) return false;
    return true;
  }

  /**
   * Reads bytes of what a member offers.
   * @param words what its line said, from `at` on
   * @throws MpiError ERR_BUFFER, ERR_PEER_FAILED, ERR_PROTOCOL
   */
  read(
    member: number,
    words: Int32Array,
    at: number,
    offset: number,
    length: number,
    to: Payload,
    toAt: number,
  ): void {
    if (isBytes(to)) {
      checkIntact(lengthOf(to) >= toAt + length);
      this.#pull(member, words, at, offset, to, toAt, length);
      return;
    }
    const piece = this.scratch(PIECE_BYTES);
    for (let done = 0; done < length; done += PIECE_BYTES) {
      const some = Math.min(length - done, PIECE_BYTES);
      this.#pull(member, words, at, offset + done, piece, 0, some);
      unpack(to, toAt + done, some, piece, 0);
    }
  }

  /** Memory for what is not needed beyond a step of one operation. */
  scratch(bytes: number): Uint8Array {
    if (this.#scratch.length < bytes) this.#scratch = new Uint8Array(bytes);
    return this.#scratch;
  }

  #pull(
    member: number,
    words: Int32Array,
    at: number,
    offset: number,
    to: Uint8Array,
    toAt: number,
    length: number,
  ): void {
    const access = this.#access;
    access.kind = words[at];
    access.low = words[at + 1];
    access.high = words[at + 2];
    // Shared memory moves them before it returns.
    this.#channelTo(member).pull(access, offset, to, toAt, length, nothing);
  }
}

function nothing(): void {}
