/**
 * How two ranks get connected: each tells the other of its queue pair by datagrams, which may be lost, repeated
 * or strangers'. Both may begin. A rank sends its HELLO again until the peer has said that it has
 * connected; only then does it send packets, so that none arrives before there is somebody.
 */
import { randomInt } from 'node:crypto';
import { MpiError } from '../../../runtime/base/error.ts';
import type { Datagrams, PacketDevice, PacketQueue } from '../ports.ts';
import type { DatagramAddress } from './datagram.ts';
import type { ConnectionSetup } from './setup.ts';
import { decodeHello, encodeHello, type Hello, jobKey } from './wire.ts';

/** Milliseconds after which a HELLO without an answer is sent again. The pause doubles each time, … */
export const HELLO_FIRST_MS = 4;
/** … up to this many milliseconds. */
export const HELLO_LAST_MS = 500;
/** Milliseconds without an answer after which the user is told. */
export const HELLO_NOTE_MS = 10_000;

/** What the handshake needs of a connection's owner. */
export interface Host {
  readonly rank: number;
  readonly size: number;
  readonly jobId: string;
  /**
   * A peer has begun: makes this rank's end, and calls {@link Handshake.begin}. @throws MpiError ERR_NO_MEM
   */
  invite(peer: number): void;
  /** The peer has connected with us: packets may be sent. */
  ready(peer: number): void;
  /** @param error why there is no connection with the peer */
  failed(peer: number, error: MpiError): void;
  /**
   * Called once for a peer that has not answered for {@link HELLO_NOTE_MS}. The rank goes on asking it.
   */
  silent(peer: number): void;
}

interface Contact {
  peer: number;
  queue: PacketQueue;
  psn: number;
  address: DatagramAddress;
  /** The peer's queue pair that this rank's is connected with; null: not yet. */
  remote: { number: number; psn: number } | null;
  ready: boolean;
  nextAt: number;
  delay: number;
  /** When the user is told of the peer's silence; infinite once that was said. */
  noteAt: number;
}

export class Handshake implements ConnectionSetup<DatagramAddress> {
  readonly #device: PacketDevice;
  readonly #host: Host;
  readonly #datagrams: Datagrams;
  readonly #job: Buffer;
  readonly #contacts = new Map<number, Contact>();
  /** Contacts that are not ready. */
  readonly #pending = new Set<Contact>();
  readonly #now: () => number;
  /** Datagrams that were none of this job's. */
  strangers = 0;

  constructor(device: PacketDevice, host: Host, now: () => number) {
    this.#device = device;
    this.#host = host;
    this.#now = now;
    this.#job = jobKey(host.jobId);
    this.#datagrams = device.createDatagramQueue();
    this.#datagrams.onDatagram = (bytes) => this.#onDatagram(bytes);
  }

  /** Where peers send their HELLO to. */
  get address(): DatagramAddress {
    const { lid, gid } = this.#device;
    return { number: this.#datagrams.number, lid, gid };
  }

  /** Whether a peer has yet to answer. */
  get pending(): boolean {
    return this.#pending.size > 0;
  }

  /** Milliseconds until the next HELLO is due. */
  get dueIn(): number {
    let at = Number.POSITIVE_INFINITY;
    for (const { nextAt } of this.#pending) at = Math.min(at, nextAt);
    return Math.max(0, at - this.#now());
  }

  /**
   * Tells the peer of this rank's queue pair.
   * @param address where the peer's datagram queue is
   */
  begin(peer: number, queue: PacketQueue, address: DatagramAddress): void {
    const contact: Contact = {
      peer,
      queue,
      psn: randomInt(2 ** 24),
      address,
      remote: null,
      ready: false,
      delay: HELLO_FIRST_MS,
      nextAt: this.#now() + HELLO_FIRST_MS,
      noteAt: this.#now() + HELLO_NOTE_MS,
    };
    this.#contacts.set(peer, contact);
    this.#pending.add(contact);
    this.#send(contact);
  }

  /** A packet came over the connection: the peer sends only where it knows that we have connected. */
  heard(peer: number): void {
    const contact = this.#contacts.get(peer);
    if (contact?.remote && !contact.ready) this.#becomeReady(contact);
  }

  /** No connection is wanted any more: HELLOs of the peer are not answered from now on. */
  end(peer: number): void {
    const contact = this.#contacts.get(peer);
    if (contact) this.#pending.delete(contact);
  }

  /** Sends HELLO again to peers that have not answered. */
  progress(): void {
    const now = this.#now();
    for (const contact of this.#pending) {
      if (now < contact.nextAt) continue;
      contact.delay = Math.min(HELLO_LAST_MS, 2 * contact.delay);
      contact.nextAt = now + contact.delay;
      this.#send(contact);
      if (now >= contact.noteAt && contact.remote === null) this.#note(contact);
    }
  }

  #note(contact: Contact): void {
    contact.noteAt = Number.POSITIVE_INFINITY;
    this.#host.silent(contact.peer);
  }

  close(): void {
    this.#pending.clear();
    this.#datagrams.close();
  }

  #onDatagram(bytes: Uint8Array): void {
    const hello = decodeHello(bytes, this.#job);
    const { rank, size } = this.#host;
    if (!hello || hello.to !== rank || hello.from >= size || hello.from === rank) {
      this.strangers++;
      return;
    }
    const contact = this.#contacts.get(hello.from) ?? this.#invite(hello.from);
    if (contact) this.#onHello(contact, hello);
  }

  /** Where there is no memory for another connection the peer asks again. */
  #invite(peer: number): Contact | undefined {
    try {
      this.#host.invite(peer);
    } catch (error) {
      if (!(error instanceof MpiError)) throw error;
    }
    return this.#contacts.get(peer);
  }

  #onHello(contact: Contact, hello: Hello): void {
    const { queue, remote } = contact;
    const first = remote === null;
    // A connection has one end at the peer, for ever.
    if (remote && (remote.number !== hello.number || remote.psn !== hello.psn)) return;
    if (!this.#pending.has(contact) && !contact.ready) return;
    if (first && !this.#connect(contact, hello)) return;
    if (hello.known === queue.number && !contact.ready) this.#becomeReady(contact);
    if (!hello.confirmed || first) this.#send(contact);
  }

  #connect(contact: Contact, hello: Hello): boolean {
    try {
      contact.queue.connect(hello, contact.psn);
      contact.remote = { number: hello.number, psn: hello.psn };
      return true;
    } catch (error) {
      if (!(error instanceof MpiError)) throw error;
      this.#pending.delete(contact);
      this.#host.failed(contact.peer, error);
      return false;
    }
  }

  #becomeReady(contact: Contact): void {
    contact.ready = true;
    this.#pending.delete(contact);
    this.#host.ready(contact.peer);
  }

  #send({ peer, queue, psn, address, remote, ready }: Contact): void {
    const { lid, gid, mtu } = this.#device;
    const hello = encodeHello(
      {
        from: this.#host.rank,
        to: peer,
        datagrams: this.#datagrams.number,
        lid,
        gid,
        number: queue.number,
        psn,
        mtu,
        known: remote?.number ?? 0,
        confirmed: ready,
      },
      this.#job,
    );
    // A datagram that finds no room is sent again later, as if it had been lost.
    this.#datagrams.send(address, hello);
  }
}
