/** The two contexts of a communicator in one rank, and what they are to the other members. */
import { EXTENSION_WORDS } from '../../../transports/transport.ts';
import { MpiError } from '../../base/error.ts';
import { LIBRARY, PROGRAM } from '../flow/credit.ts';
import type { PostingClock } from '../matching/bins.ts';
import { Context } from '../matching/context.ts';
import type { Peer } from '../peer.ts';
import { KEY_WORD, putLong } from '../wire.ts';

/** Those who can send to a communicator, and are sent to: each by its number. */
export interface Members {
  readonly size: number;
  /** The rank in the world of a member. */
  worldOf(rank: number): number;
  /** The member that a rank of the world is; -1: none. */
  rankOf(world: number): number;
}

/**
 * A rank calls its own contexts by numbers that it gives itself, and gives again. Its OPEN tells a peer which
 * communicator the number means from then on: packets of a pair stay in order, so neither an earlier nor
 * a later message can be taken for one of this communicator (docs/internals/protocol.md#contexts).
 */
export class ContextPair {
  /** The number of the program's context in what this rank sends, even; the library's is the next. -1: none yet. */
  id = -1;
  /** What this rank's communicators are called by others when they open it: never given twice. */
  serial = 0;
  readonly program: Context;
  readonly library: Context;
  /** Null until {@link join}: whoever has learnt the serial may open it before this rank knows who is in it. */
  members: Members | null = null;
  /** By member: the serial that it has there; null while only the name is known. */
  serials: Float64Array | null = null;
  /** What it is opened by meanwhile. */
  name: Int32Array | null = null;
  /** By member: whom it is open to, which is where a small message may go at once. */
  to: (Peer | undefined)[] = [];
  /** By member: who has opened it, so that a small message may be taken at once, and the number that it bears. */
  from: (Peer | undefined)[] = [];
  numbers: Int32Array = new Int32Array(0);
  /** Numbers by peer. */
  readonly bound = new Map<Peer, number>();
  /** Peers that have opened it by its name, bound or not. */
  readonly openedByName = new Set<Peer>();
  /** It is kept after it was freed, for whoever asks about its calls. */
  answers = false;
  /** Operations of the library's that still use it. */
  uses = 0;

  constructor(clock: PostingClock) {
    const nameOf = (peer: Peer, offset: number) => {
      const number = this.bound.get(peer);
      return number === undefined ? -1 : number + offset;
    };
    const includes = (world: number) => this.rankOf(world) >= 0;
    this.program = new Context(clock, PROGRAM, {
      nameOf: (peer) => nameOf(peer, PROGRAM),
      includes,
    });
    this.library = new Context(clock, LIBRARY, {
      nameOf: (peer) => nameOf(peer, LIBRARY),
      includes,
    });
  }

  /** The member that a rank of the world is; -1: none. */
  rankOf(world: number): number {
    return this.members === null ? -1 : this.members.rankOf(world);
  }

  /** @throws MpiError ERR_PROTOCOL where somebody has opened it who is no member */
  join(members: Members, serials: Float64Array | null): void {
    const { size } = members;
    this.members = members;
    this.serials = serials;
    this.to = new Array(size).fill(undefined);
    this.from = new Array(size).fill(undefined);
    this.numbers = new Int32Array(size);
    for (const [peer, number] of this.bound) this.bind(peer, number);
  }

  /** The words of the OPEN that a member understands. */
  keyOf(rank: number): Int32Array {
    if (this.serials === null) return this.name as Int32Array;
    const words = new Int32Array(EXTENSION_WORDS);
    putLong(words, KEY_WORD.low, KEY_WORD.high, this.serials[rank]);
    return words;
  }

  /** @throws MpiError ERR_PROTOCOL where the peer is no member, or calls it something else already */
  bind(peer: Peer, number: number): void {
    const known = this.bound.get(peer);
    const rank = this.rankOf(peer.rank);
    if ((rank < 0 && this.members !== null) || (known !== undefined && known !== number))
      throw new MpiError(
        'ERR_PROTOCOL',
        `rank ${peer.rank} opens a communicator that is not its own, or opens it twice`,
      );
    this.bound.set(peer, number);
    if (rank < 0 || this.program.closed) return;
    this.from[rank] = peer;
    this.numbers[rank] = number;
  }

  /** The peer's number means something else from here on. */
  unbind(peer: Peer): void {
    this.bound.delete(peer);
    const rank = this.rankOf(peer.rank);
    if (rank >= 0) this.from[rank] = undefined;
  }

  /** No fast path may use it any more. */
  shut(): void {
    this.to.fill(undefined);
    this.from.fill(undefined);
  }

  /** Receives wait in it, or the library works with it. */
  get inUse(): boolean {
    return this.uses > 0 || this.program.awaited || this.library.awaited;
  }
}
