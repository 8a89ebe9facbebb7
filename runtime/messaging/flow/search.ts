/**
 * The search for messages that wait at their senders (docs/internals/protocol.md#credit): receives that
 * are posted are sought at each peer that is stalled, one after the other, in the order of posting.
 */

import type { Packet } from '../../../transports/transport.ts';
import { EXTENSION_WORDS } from '../../../transports/transport.ts';
import { ANY_SOURCE } from '../../base/constants.ts';
import { MpiError } from '../../base/error.ts';
import type { ContextTable } from '../contexts/table.ts';
import type { Operation } from '../operation.ts';
import type { Peer } from '../peer.ts';
import { FOUND_WORD, PASS, SEEK, SEEK_WORD, TAKE } from '../wire.ts';
import { flowOf } from './credit.ts';
import type { ReceiveFlow } from './receive-flow.ts';

/** The list of posted receives may have this many that are not posted any more, besides as many as are. */
const DEAD_MAX = 1024;

/** What a search needs of the engine. */
export interface SearchHost {
  readonly peers: readonly (Peer | undefined)[];
  sendControl(peer: Peer, kind: number, tag: number, extension?: Int32Array | null): void;
}

interface Entry {
  readonly request: Operation;
  /** The order in which it was posted. The request may belong to another operation by now. */
  readonly order: number;
}

const isPosted = ({ request, order }: Entry) => request.bin !== null && request.order === order;

export class Search {
  readonly #host: SearchHost;
  readonly #contexts: ContextTable;
  /** Flows that are stalled, with their peers. */
  readonly #stalled = new Map<ReceiveFlow, Peer>();
  /** Posted receives in the order of posting, while any flow is stalled. */
  #posted: Entry[] = [];
  #postedMax = 0;

  constructor(host: SearchHost, contexts: ContextTable) {
    this.#host = host;
    this.#contexts = contexts;
  }

  get active(): boolean {
    return this.#stalled.size > 0;
  }

  // ---- what the peer says

  onStalled(peer: Peer, flow: ReceiveFlow): void {
    if (this.#stalled.size === 0) this.#listPosted();
    this.#stalled.set(flow, peer);
    flow.stalled = true;
    this.#begin(peer, flow);
  }

  /** A peer's number means another context from now on, whose receives were not sought, or not by it. */
  onOpen(peer: Peer): void {
    for (const flow of peer.incoming) if (flow.stalled) this.#begin(peer, flow);
  }

  #begin(peer: Peer, flow: ReceiveFlow): void {
    flow.stale = flow.asked !== 0;
    flow.sought = 0;
    this.#ask(peer, flow);
  }

  onNone(peer: Peer, flow: ReceiveFlow, over: boolean): void {
    this.#answered(flow);
    if (over) this.#end(flow);
    else this.#ask(peer, flow);
  }

  onFound(peer: Peer, flow: ReceiveFlow, packet: Packet): void {
    const id = packet.extension[FOUND_WORD.context];
    const tag = packet.extension[FOUND_WORD.tag];
    const context = this.#contexts.meantBy(peer, id);
    if (context === undefined || flowOf(id) !== flow.flow || tag < 0 || flow.promised !== null)
      throw new MpiError('ERR_PROTOCOL', `a message waits that has context ${id} and tag ${tag}`);
    const answers = packet.extension[FOUND_WORD.answers] === 1;
    // The receives that were sought: what waits at the peer before this message fits none of them.
    const sought = answers && !flow.stale ? flow.asked : flow.sought;
    const first = context.posted.peek(peer.rank, tag) as Operation | null;
    const request = first !== null && first.order <= sought ? first : null;
    if (answers) this.#answered(flow);
    if (request === null) this.#host.sendControl(peer, PASS, flow.flow);
    else {
      context.posted.remove(request);
      context.apart++;
      peer.promises++;
      flow.promised = request;
      this.#host.sendControl(peer, TAKE, flow.flow);
    }
    this.#ask(peer, flow);
  }

  #answered(flow: ReceiveFlow): void {
    if (flow.asked === 0)
      throw new MpiError('ERR_PROTOCOL', 'a peer answers what it was not asked');
    if (!flow.stale) flow.sought = flow.asked;
    flow.asked = 0;
    flow.stale = false;
  }

  /** The receive that the next message of a flow was promised to. Promised no more. */
  takePromised(peer: Peer, flow: ReceiveFlow): Operation | null {
    const { promised } = flow;
    if (promised === null) return null;
    flow.promised = null;
    peer.promises--;
    this.#contexts.of(promised.context).apart--;
    return promised;
  }

  /**
   * A peer is lost.
   * @returns the receives that its messages were promised to
   */
  abandon(peer: Peer): Operation[] {
    const promised: Operation[] = [];
    for (const flow of peer.incoming) {
      const request = this.takePromised(peer, flow);
      if (request !== null) promised.push(request);
      flow.asked = 0;
      flow.stale = false;
      this.#end(flow);
    }
    return promised;
  }

  #end(flow: ReceiveFlow): void {
    flow.stalled = false;
    this.#stalled.delete(flow);
    if (this.#stalled.size === 0) this.#posted = [];
  }

  // ---- receives

  /** A receive was posted while a flow is stalled. */
  onPosted(request: Operation): void {
    const posted = this.#posted;
    posted.push({ request, order: request.order });
    if (posted.length > this.#postedMax) this.#keep(posted.filter(isPosted));
    const flow = flowOf(request.context);
    if (request.peer !== ANY_SOURCE) {
      const peer = this.#host.peers[request.peer];
      if (peer !== undefined) this.#ask(peer, peer.incoming[flow]);
      return;
    }
    for (const [each, peer] of this.#stalled) if (each.flow === flow) this.#ask(peer, each);
  }

  #listPosted(): void {
    const all: Entry[] = [];
    for (const context of this.#contexts.all())
      for (const posted of context.posted.all())
        all.push({ request: posted as Operation, order: posted.order });
    this.#keep(all.sort((a, b) => a.order - b.order));
  }

  #keep(posted: Entry[]): void {
    this.#posted = posted;
    this.#postedMax = 2 * posted.length + DEAD_MAX;
  }

  /** Asks about the next receive, if the last question was answered. */
  #ask(peer: Peer, flow: ReceiveFlow): void {
    if (!flow.stalled || flow.asked !== 0) return;
    const posted = this.#posted;
    for (let i = this.#after(flow.sought); i < posted.length; i++) {
      const entry = posted[i];
      const { request, order } = entry;
      const number =
        isPosted(entry) && fits(request, peer, flow) ? this.#nameOf(request, peer) : -1;
      if (number >= 0) {
        flow.asked = order;
        const words = new Int32Array(EXTENSION_WORDS);
        words[SEEK_WORD.context] = number;
        words[SEEK_WORD.tag] = request.tag;
        this.#host.sendControl(peer, SEEK, flow.flow, words);
        return;
      }
      flow.sought = order;
    }
  }

  /** What a peer calls the context of a receive; -1: it has sent nothing there that could wait. */
  #nameOf({ context }: Operation, peer: Peer): number {
    return this.#contexts.of(context).names.nameOf(peer);
  }

  /** The place of the first receive that was posted after the one with this order. */
  #after(order: number): number {
    const posted = this.#posted;
    let low = 0;
    let high = posted.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (posted[middle].order <= order) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function fits({ context, peer: source }: Operation, peer: Peer, flow: ReceiveFlow): boolean {
  return flowOf(context) === flow.flow && (source === peer.rank || source === ANY_SOURCE);
}
