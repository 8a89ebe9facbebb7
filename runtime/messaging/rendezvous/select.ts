/**
 * Which scheme a large message goes by: by order, by what is known of its memory, or as measured. The
 * receiver decides; the sender's part is what it offers along with the message.
 */
import type { Channel, OneSidedScheme } from '../../../transports/transport.ts';
import { ACCESS_ADDRESS, ACCESS_MAPPED, ACCESS_NONE } from '../../../transports/transport.ts';
import { BLOCKING, type Operation, SYNCHRONOUS } from '../operation.ts';
import type { Peer } from '../peer.ts';
import {
  CostModel,
  type Preference,
  type RendezvousPreference,
  type RendezvousScheme,
  sizeClass,
} from './cost-model.ts';
import type { Offer } from './offer.ts';
import { SHARED_COPY_MIN } from './shared-copy.ts';
import type { OutgoingTransfer } from './table.ts';

/** Offers that hold registered memory and are not answered yet, at most. */
export const EXPORTED_OFFERS_MAX = 64;

/** structuredClone and postMessage copy memory of MPI.allocate; newer runtimes have a way to move it. */
const MOVES_ALLOCATED = 'transfer' in ArrayBuffer.prototype;

/** What messages of channels with the same schemes can choose from. */
interface Choices {
  costs: CostModel;
  all: readonly RendezvousScheme[];
  /** Of messages that are too short for both ends to copy. */
  alone: readonly RendezvousScheme[];
}

const COPY_ONLY: readonly RendezvousScheme[] = ['copy'];

/** Exporting costs nothing there, and what is fetched is there when the call returns. */
export function isFree({ segmentBytes }: Channel): boolean {
  return segmentBytes === Number.POSITIVE_INFINITY;
}

export class SchemeSelection {
  readonly #rank: number;
  readonly #preference: RendezvousPreference;
  readonly #singleCopy: Preference;
  /** By the schemes of the channel. */
  readonly #choices = new Map<readonly OneSidedScheme[], Choices>();
  /** Whether the message for which a scheme was chosen last is to be timed. */
  timed = false;

  constructor(rank: number, preference: RendezvousPreference, singleCopy: Preference) {
    this.#rank = rank;
    this.#preference = preference;
    this.#singleCopy = singleCopy;
  }

  choose({ channel, rank }: Peer, offer: Offer, request: Operation): RendezvousScheme {
    const { kind } = offer.access;
    this.timed = false;
    if (offer.firstBytes === offer.length) return 'copy';
    // Bytes that do not lie side by side are gathered into packets, and put in place from there.
    if (offer.packed || request.noncontiguous !== null) return 'copy';
    if (rank === this.#rank) return kind === ACCESS_NONE ? 'copy' : 'get';
    const schemes = this.#schemesOf(channel, offer);
    const forced = this.#preference;
    if (forced !== 'auto' && schemes.includes(forced)) return forced;
    // Memory that both map needs no trial: it is copied directly.
    if (kind === ACCESS_MAPPED) return 'share';
    if (kind === ACCESS_ADDRESS && this.#singleCopy !== 'auto')
      return this.#singleCopy === 'always' ? 'get' : 'copy';
    const { costs } = this.#choicesOf(channel);
    const scheme = costs.choose(offer.length, schemes);
    this.timed = costs.timed;
    return scheme;
  }

  /** What a timed message took. */
  record({ channel }: Peer, scheme: RendezvousScheme, length: number, milliseconds: number): void {
    this.#choicesOf(channel).costs.record(scheme, length, milliseconds * 1e6);
  }

  #schemesOf(channel: Channel, { access, length }: Offer): readonly RendezvousScheme[] {
    // What is not exported may be so on demand, where it is worth the trouble.
    const reachable = access.kind !== ACCESS_NONE || !isFree(channel);
    if (!reachable) return COPY_ONLY;
    if (length <= channel.eagerBytes && access.kind !== ACCESS_MAPPED) return COPY_ONLY;
    const choices = this.#choicesOf(channel);
    return length < SHARED_COPY_MIN ? choices.alone : choices.all;
  }

  #choicesOf({ schemes }: Channel): Choices {
    let choices = this.#choices.get(schemes);
    if (choices === undefined) {
      const all: RendezvousScheme[] = ['copy', ...schemes];
      choices = { costs: new CostModel(), all, alone: all.filter((each) => each !== 'share') };
      this.#choices.set(schemes, choices);
    }
    return choices;
  }

  /**
   * Whether the sender exports memory with its offer: what the receiver will probably fetch.
   * @param exported offers that hold registered memory now
   */
  exportsAhead({ peer, request }: OutgoingTransfer, exported: number): boolean {
    // Of what would have gone eagerly, had there been credit, fetching costs more than it saves.
    const eager = peer.goesEagerly(request.bytes, request.length);
    if (eager && (peer.rank !== this.#rank || (request.kind & SYNCHRONOUS) !== 0)) return false;
    if (request.noncontiguous !== null) return false;
    if (isFree(peer.channel)) return true;
    // Registering is worth it only for a receiver that will read. An offer that has waited for room
    // before may wait again, each time with another registration.
    const fetched = peer.fetches.has(sizeClass(request.length));
    return peer.flow(request.context).clear && fetched && exported < EXPORTED_OFFERS_MAX;
  }

  /** How much of a message the sender would send along with its offer. */
  firstBytes({ peer, request, access }: OutgoingTransfer): number {
    const { length } = request;
    if (access.kind === ACCESS_MAPPED) return 0;
    if (access.kind !== ACCESS_NONE && peer.fetches.has(sizeClass(length))) return 0;
    return Math.min(length, peer.packetBytes);
  }

  /** Whether the program cannot take the sender's buffer away before the send ends. */
  holds({ peer, request }: OutgoingTransfer): boolean {
    if ((request.kind & BLOCKING) !== 0 || peer.rank === this.#rank) return true;
    return !MOVES_ALLOCATED && peer.channel.maps(request.bytes);
  }

  /** The receiver took a message so: the next of its size will probably go that way, too. */
  remember({ peer, request, scheme }: OutgoingTransfer): void {
    const size = sizeClass(request.length);
    if (scheme === 'get' || scheme === 'share') peer.fetches.add(size);
    else peer.fetches.delete(size);
  }
}
