/**
 * How two ranks get to trust each other. Both may begin. Each says HELLO with a nonce, and answers the
 * other's HELLO by a PROOF over both nonces. A rank sends packets once it has sent its PROOF and has seen the
 * peer's. Nothing else of a peer is looked at before that.
 */
import type { PacketArea } from '../../packets/ports.ts';
import type { Setup } from '../../packets/transport.ts';
import type { OfiDevice } from '../device/endpoint.ts';
import type { OfiQueue } from '../device/queue.ts';
import { ENVELOPE, OFI_ENVELOPE_BYTES, SETUP_BIT } from '../layout.ts';
import { newNonce, OFI_HELLO_BYTES, type Secret } from './secret.ts';

/** Milliseconds after which a HELLO without an answer is said again. The pause doubles each time, … */
export const OFI_HELLO_FIRST_MS = 4;
/** … up to this many milliseconds. */
export const OFI_HELLO_LAST_MS = 10_000;
/** What can be on its way at one time before two ranks are connected; further ones are said later. */
export const OFI_HELLOS_MAX = 64;

const FRAME_BYTES = OFI_ENVELOPE_BYTES + OFI_HELLO_BYTES;

export interface Host {
  readonly rank: number;
  readonly size: number;
  /** A peer has begun: makes this rank's end, and calls {@link Handshake.begin}. @throws MpiError */
  invite(peer: number): void;
  ready(peer: number): void;
}

interface Contact {
  peer: number;
  queue: OfiQueue;
  nonce: Uint8Array;
  theirs: Uint8Array | null;
  /** The peer has seen our PROOF as soon as it sees anything that is sent later. */
  proved: boolean;
  /** The peer's PROOF was right. */
  trusted: boolean;
  due: number;
  pause: number;
}

export class Handshake implements Setup {
  readonly #device: OfiDevice;
  readonly #host: Host;
  readonly #secret: Secret;
  readonly #now: () => number;
  readonly #contacts = new Map<number, Contact>();
  readonly #area: PacketArea;
  readonly #words: Int32Array;
  readonly #free = Array.from({ length: OFI_HELLOS_MAX }, (_, place) => place);

  constructor(device: OfiDevice, host: Host, secret: Secret, now: () => number) {
    this.#device = device;
    this.#host = host;
    this.#secret = secret;
    this.#now = now;
    this.#area = device.openSendArea(OFI_HELLOS_MAX * FRAME_BYTES);
    const { bytes } = this.#area;
    this.#words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
    device.onSetup = (from, said) => this.#heard(from, said);
  }

  get pending(): boolean {
    return this.#contacts.size > 0;
  }

  get dueIn(): number {
    let first = Infinity;
    for (const { due } of this.#contacts.values()) first = Math.min(first, due);
    return Math.max(1, first - this.#now());
  }

  begin(peer: number, queue: OfiQueue): void {
    const contact: Contact = {
      peer,
      queue,
      nonce: newNonce(),
      theirs: null,
      proved: false,
      trusted: false,
      due: this.#now(),
      pause: OFI_HELLO_FIRST_MS,
    };
    this.#contacts.set(peer, contact);
    this.#hello(contact);
  }

  /** Packets come only from peers that are trusted. */
  heard(): void {}

  end(peer: number): void {
    this.#contacts.delete(peer);
  }

  progress(): void {
    const time = this.#now();
    for (const contact of this.#contacts.values()) {
      if (contact.theirs !== null && !contact.proved) this.#prove(contact);
      if (contact.due <= time) this.#hello(contact);
      this.#settle(contact);
    }
  }

  #hello(contact: Contact): void {
    contact.due = this.#now() + contact.pause;
    const { peer, queue, nonce } = contact;
    if (this.#say(queue, this.#secret.hello(peer, nonce)))
      contact.pause = Math.min(OFI_HELLO_LAST_MS, 2 * contact.pause);
  }

  #prove(contact: Contact): void {
    const { peer, queue, nonce, theirs } = contact;
    if (theirs === null) return;
    const { keyHigh } = this.#device;
    contact.proved = this.#say(queue, this.#secret.proof(peer, nonce, theirs, keyHigh));
  }

  #heard(from: number, said: Uint8Array): void {
    if (!(from >= 0 && from < this.#host.size) || from === this.#host.rank) return;
    const known = this.#contacts.get(from);
    const heard = this.#secret.read(from, said, known?.nonce ?? null);
    if (heard === null) return;
    if (heard.kind === 'hello') this.#onHello(from, heard.nonce);
    else if (known !== undefined) this.#onProof(known, heard.nonce, heard.keyHigh);
  }

  #onHello(from: number, nonce: Uint8Array): void {
    if (!this.#contacts.has(from)) this.#host.invite(from);
    const contact = this.#contacts.get(from);
    if (contact === undefined || contact.trusted) return;
    contact.theirs = nonce.slice();
    this.#prove(contact);
  }

  #onProof(contact: Contact, nonce: Uint8Array, keyHigh: number): void {
    contact.theirs ??= nonce.slice();
    if (Buffer.compare(contact.theirs, nonce) !== 0) return;
    const { rank } = this.#host;
    const { peer, queue } = contact;
    queue.token = this.#secret.token(rank, peer, contact.nonce, nonce);
    queue.peerToken = this.#secret.token(peer, rank, nonce, contact.nonce);
    queue.keyHigh = keyHigh;
    contact.trusted = true;
    if (!contact.proved) this.#prove(contact);
    this.#settle(contact);
  }

  #settle(contact: Contact): void {
    if (!contact.trusted || !contact.proved) return;
    this.#contacts.delete(contact.peer);
    this.#host.ready(contact.peer);
  }

  /** False: not now. */
  #say({ peer }: OfiQueue, said: Buffer): boolean {
    const place = this.#free.pop();
    if (place === undefined) return false;
    const offset = place * FRAME_BYTES;
    const words = this.#words;
    const at = offset / 4;
    words[at + ENVELOPE.token] = 0;
    words[at + ENVELOPE.token + 1] = 0;
    words[at + ENVELOPE.from] = this.#host.rank;
    words[at + ENVELOPE.number] = SETUP_BIT;
    this.#area.bytes.set(said, offset + OFI_ENVELOPE_BYTES);
    const answer = this.#device.sendSetup(this.#area, offset, FRAME_BYTES, peer, () =>
      this.#free.push(place),
    );
    if (answer !== 0) this.#free.push(place);
    return answer === 0;
  }
}
