/**
 * How two ranks get connected on iWARP, where only a connection manager connects queue pairs. Of two ranks the
 * lower one calls and the higher one answers, so that it does not matter who begins, or whether both
 * do: a higher rank that begins *knocks*, by a call with a queue pair of no other use, which is always
 * refused, and is called back. Calls may come to nothing (the peer computes, and its answer is awaited
 * by the device for a while only); then they are made again, with a queue pair that is new.
 *
 * Who called sends first (RFC 5044, 7.1): the answering side is ready once it has heard something.
 */
import { constants } from 'node:os';
import { MpiError } from '../../../runtime/base/error.ts';
import type { TargetAddress } from '../device/liveness-target.ts';
import type { PacketDevice, PacketQueue } from '../ports.ts';
import type { ConnectionEvent, Connections, IpAddress } from './connections.ts';
import { HELLO_FIRST_MS, HELLO_LAST_MS } from './handshake.ts';
import type { ConnectionSetup } from './setup.ts';
import { decodeIntroduction, encodeIntroduction, jobKey } from './wire.ts';

/** Milliseconds for which a peer's machine may refuse all calls. Then the peer has failed. */
export const UNREACHABLE_MS = 5000;
/** Polls between two looks at the connection manager. */
export const SETUP_POLLS = 64;

const { ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, ETIMEDOUT } = constants.errno;
/** Nobody listens there, or there is no route. */
const UNREACHABLE = new Set([ECONNREFUSED, EHOSTUNREACH, ENETUNREACH]);

/** What the setup on iWARP needs of a connection's owner. */
export interface IwarpHost {
  readonly rank: number;
  readonly size: number;
  readonly jobId: string;
  /**
   * A peer has begun: makes this rank's end, and calls {@link IwarpMeeting.begin}. @throws MpiError
   * ERR_NO_MEM
   */
  invite(peer: number): void;
  /** A new queue pair in place of the one that was lost with a call. @throws MpiError ERR_NO_MEM */
  renew(peer: number): PacketQueue;
  /** Packets may be sent. */
  ready(peer: number): void;
  failed(peer: number, error: MpiError): void;
}

interface Contact {
  readonly peer: number;
  readonly address: IpAddress;
  queue: PacketQueue;
  /** 'answered': a call of the peer's was answered, and no packet has come over the connection yet. */
  step: 'waiting' | 'calling' | 'answered' | 'ready' | 'over';
  /** The connection manager's end of the call; -1: there is none. */
  end: number;
  /** A knock under way. */
  knock: { end: number; queue: PacketQueue | null } | null;
  nextAt: number;
  delay: number;
  /** Since when the peer cannot be reached; undefined where it can, as far as this rank knows. */
  unreachableSince: number | undefined;
}

export class IwarpSetup implements ConnectionSetup<IpAddress> {
  readonly fd: number;
  readonly #device: PacketDevice;
  readonly #host: IwarpHost;
  readonly #connections: Connections;
  readonly #job: Buffer;
  readonly #target: TargetAddress;
  readonly #now: () => number;
  readonly #contacts = new Map<number, Contact>();
  /** Contacts that are not ready. */
  readonly #pending = new Set<Contact>();
  /** By the connection manager's end: whose call, answer or knock it is. */
  readonly #ends = new Map<number, Contact>();
  #inviting = -1;
  #polls = 0;
  /** Calls that were not of this job. */
  strangers = 0;

  constructor(device: PacketDevice, host: IwarpHost, connections: Connections, now: () => number) {
    this.#device = device;
    this.#host = host;
    this.#connections = connections;
    this.#job = jobKey(host.jobId);
    this.#now = now;
    this.fd = connections.fd;
    this.#target = device.livenessTarget?.() ?? { address: 0, key: 0 };
  }

  get address(): IpAddress {
    return this.#connections.own;
  }

  get pending(): boolean {
    return this.#pending.size > 0;
  }

  get dueIn(): number {
    let at = Number.POSITIVE_INFINITY;
    for (const { nextAt } of this.#pending) at = Math.min(at, nextAt);
    return Math.max(0, at - this.#now());
  }

  begin(peer: number, queue: PacketQueue, address: IpAddress): void {
    const contact: Contact = {
      peer,
      address,
      queue,
      step: 'waiting',
      end: -1,
      knock: null,
      nextAt: Number.POSITIVE_INFINITY,
      delay: HELLO_FIRST_MS,
      unreachableSince: undefined,
    };
    this.#contacts.set(peer, contact);
    this.#pending.add(contact);
    // A rank that was called only has to answer.
    if (this.#inviting !== peer || this.#calls(peer)) this.#try(contact);
  }

  heard(peer: number): void {
    const contact = this.#contacts.get(peer);
    if (contact?.step === 'answered') this.#becomeReady(contact);
  }

  end(peer: number): void {
    const contact = this.#contacts.get(peer);
    if (!contact || contact.step === 'over') return;
    contact.step = 'over';
    this.#pending.delete(contact);
    // A work request that waits for the device's answer ends with its queue pair, and the end of the
    // connection after it.
    contact.queue.close();
    this.#hangUp(contact);
    this.#stopKnocking(contact);
  }

  progress(): void {
    this.poll(false);
    const now = this.#now();
    for (const contact of [...this.#pending])
      if (now >= contact.nextAt && contact.step === 'waiting') this.#try(contact);
  }

  poll(now: boolean): void {
    this.#polls += 1;
    if (!now && this.#polls % SETUP_POLLS !== 0) return;
    for (let event = this.#connections.next(); event !== null; event = this.#connections.next())
      this.#onEvent(event);
  }

  close(): void {
    for (const peer of this.#contacts.keys()) this.end(peer);
    this.#connections.close();
  }

  #calls(peer: number): boolean {
    return this.#host.rank < peer;
  }

  /** Calls or knocks, unless a call is under way. */
  #try(contact: Contact): void {
    contact.nextAt = Number.POSITIVE_INFINITY;
    const calls = this.#calls(contact.peer);
    if (!calls && contact.knock) return;
    const end = this.#connections.resolve(contact.address);
    if (end < 0) {
      this.#missed(contact, -end);
      return;
    }
    this.#ends.set(end, contact);
    if (calls) {
      contact.end = end;
      contact.step = 'calling';
    } else contact.knock = { end, queue: null };
  }

  #onEvent(event: ConnectionEvent): void {
    if (event.kind === 'request') {
      this.#onRequest(event);
      return;
    }
    const contact = this.#ends.get(event.end);
    if (!contact) return;
    if (event.kind === 'address') this.#go(contact, this.#connections.route(event.end));
    else if (event.kind === 'route') this.#go(contact, this.#connect(contact, event.end));
    else if (contact.knock?.end === event.end) this.#onKnocked(contact, event);
    else if (event.kind === 'established') this.#onEstablished(contact, event);
    else if (event.kind === 'ended' || event.kind === 'failed') this.#onLost(contact, event.errno);
  }

  #go(contact: Contact, answer: number): void {
    if (answer < 0) this.#missed(contact, -answer);
  }

  #connect(contact: Contact, end: number): number {
    let { queue } = contact;
    if (contact.knock?.end === end) {
      try {
        queue = this.#device.createQueuePair({ sendDepth: 1, inlineBytes: 0 });
      } catch (error) {
        if (!(error instanceof MpiError)) throw error;
        return -(error.errno ?? constants.errno.ENOMEM);
      }
      contact.knock.queue = queue;
    }
    return this.#connections.connect(end, queue.number, this.#introduction(contact.peer));
  }

  #introduction(peer: number): Buffer {
    return encodeIntroduction({ from: this.#host.rank, to: peer, target: this.#target }, this.#job);
  }

  /** A peer calls or knocks. */
  #onRequest({ end, data }: ConnectionEvent): void {
    const { rank, size } = this.#host;
    const said = decodeIntroduction(data, this.#job);
    const known = said !== null && said.to === rank && said.from < size && said.from !== rank;
    if (!known) this.strangers += 1;
    const answers = known && !this.#calls(said.from);
    if (answers && this.#answer(this.#contactOf(said.from), end, said.target)) return;
    this.#connections.reject(end);
    this.#connections.destroy(end);
    if (!known || answers) return;
    const contact = this.#contactOf(said.from);
    if (contact?.step === 'waiting') this.#try(contact);
  }

  /** Where there is no memory for one more connection the peer tries again. */
  #contactOf(peer: number): Contact | undefined {
    const contact = this.#contacts.get(peer);
    if (contact) return contact;
    this.#inviting = peer;
    try {
      this.#host.invite(peer);
    } catch (error) {
      if (!(error instanceof MpiError)) throw error;
    } finally {
      this.#inviting = -1;
    }
    return this.#contacts.get(peer);
  }

  /** Whether the end is in use now. */
  #answer(contact: Contact | undefined, end: number, target: TargetAddress): boolean {
    // A peer that calls once more has given its first call up.
    if (contact?.step === 'answered') this.#renew(contact);
    if (contact?.step !== 'waiting') return false;
    const data = this.#introduction(contact.peer);
    if (this.#connections.accept(end, contact.queue.number, data) < 0) {
      this.#renew(contact);
      return false;
    }
    this.#stopKnocking(contact);
    this.#ends.set(end, contact);
    contact.queue.peerTarget = target;
    contact.end = end;
    contact.step = 'answered';
    contact.nextAt = Number.POSITIVE_INFINITY;
    return true;
  }

  #onEstablished(contact: Contact, { data }: ConnectionEvent): void {
    if (contact.step !== 'calling') return;
    const said = decodeIntroduction(data, this.#job);
    const { rank } = this.#host;
    if (said?.from !== contact.peer || said.to !== rank) {
      this.#missed(contact, ECONNREFUSED);
      return;
    }
    contact.queue.peerTarget = said.target;
    this.#becomeReady(contact);
  }

  #becomeReady(contact: Contact): void {
    contact.step = 'ready';
    this.#pending.delete(contact);
    this.#host.ready(contact.peer);
  }

  /** The knock was refused, as it should be, or did not get through. */
  #onKnocked(contact: Contact, { errno }: ConnectionEvent): void {
    this.#missed(contact, errno);
  }

  #onLost(contact: Contact, errno: number): void {
    if (contact.step !== 'ready') {
      this.#missed(contact, errno);
      return;
    }
    // Packets that came before the end are taken first: one may say that the peer has left in order.
    while (this.#device.poll() > 0);
    const text = `${this.#device.name}: the peer has closed the connection, or its process is gone`;
    this.#host.failed(contact.peer, new MpiError('ERR_PEER_FAILED', text));
  }

  /** A call or knock came to nothing: it is made again. */
  #missed(contact: Contact, errno: number): void {
    if (contact.step === 'over') return;
    const now = this.#now();
    if (UNREACHABLE.has(errno)) contact.unreachableSince ??= now;
    else contact.unreachableSince = undefined;
    this.#stopKnocking(contact);
    if (contact.step === 'calling' || contact.step === 'answered') this.#renew(contact);
    if ((contact.step as string) === 'over') return;
    if (now - (contact.unreachableSince ?? now) > UNREACHABLE_MS) {
      this.#giveUp(contact, errno);
      return;
    }
    // The peer was busy, and finds the old call first. It should find a new one after that.
    if (errno === ETIMEDOUT) contact.delay = HELLO_FIRST_MS;
    else contact.delay = Math.min(HELLO_LAST_MS, 2 * contact.delay);
    contact.nextAt = now + contact.delay;
  }

  #giveUp(contact: Contact, errno: number): void {
    const { ip, port } = contact.address;
    const text = `${this.#device.name}: nobody answers at ${ip}:${port}`;
    this.#pending.delete(contact);
    this.#host.failed(contact.peer, new MpiError('ERR_PEER_FAILED', text, { errno }));
  }

  /** A queue pair that a call was made with is not used for another. */
  #renew(contact: Contact): void {
    contact.step = 'waiting';
    try {
      contact.queue = this.#host.renew(contact.peer);
    } catch (error) {
      if (!(error instanceof MpiError)) throw error;
      contact.step = 'over';
      this.#pending.delete(contact);
      this.#host.failed(contact.peer, error);
    }
    this.#hangUp(contact);
  }

  #hangUp(contact: Contact): void {
    if (contact.end < 0) return;
    this.#ends.delete(contact.end);
    this.#connections.destroy(contact.end);
    contact.end = -1;
  }

  #stopKnocking(contact: Contact): void {
    const { knock } = contact;
    if (!knock) return;
    contact.knock = null;
    knock.queue?.close();
    this.#ends.delete(knock.end);
    this.#connections.destroy(knock.end);
  }
}
