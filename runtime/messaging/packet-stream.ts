/** The bytes of a message in packets, one after the other, as there is room for them. */
import { trySendPart } from './body.ts';
import type { Operation } from './operation.ts';
import type { Peer, Stream } from './peer.ts';

export class PacketStream implements Stream {
  readonly request: Operation;
  /** Bytes sent so far. */
  position: number;
  readonly #peer: Peer;
  readonly #kind: number;
  readonly #id: number;
  readonly #finish: (stream: PacketStream) => void;

  /**
   * @param id the tag of all packets
   * @param finish called when all is sent, or the buffer was taken away before
   */
  constructor(
    peer: Peer,
    request: Operation,
    kind: number,
    id: number,
    position: number,
    finish: (stream: PacketStream) => void,
  ) {
    this.#peer = peer;
    this.request = request;
    this.#kind = kind;
    this.#id = id;
    this.position = position;
    this.#finish = finish;
  }

  /** Whether all was sent. */
  get whole(): boolean {
    return this.position === this.request.length;
  }

  stream(): boolean {
    const { request } = this;
    const { length } = request;
    const { channel } = this.#peer;
    // What says where the pieces begin must not be overtaken.
    if (this.#peer.holdsControls) return false;
    while (this.position < length) {
      if (!request.intact) break;
      const piece = Math.min(channel.maxBody, length - this.position);
      if (!trySendPart(channel, this.#kind, 0, this.#id, null, request, this.position, piece))
        return false;
      this.position += piece;
    }
    this.#finish(this);
    return true;
  }
}
