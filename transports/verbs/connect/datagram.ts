/** Unreliable datagrams (UD): how ranks that are not connected find each other. */
import {
  ATTRIBUTE,
  COMPLETION,
  FLAG,
  MASK,
  QUEUE,
  QUEUE_KIND,
  REQUEST,
  STATE,
  WORK,
} from '../../../native/verbs.ts';
import { check, MpiError } from '../../../runtime/base/error.ts';
import { Area } from '../device/areas.ts';
import { type PathAddress, setPath } from '../device/attributes.ts';
import type { Completer } from '../device/core.ts';
import type { QueueSite } from '../device/queue-pair.ts';

/** A sender must know this key. It keeps strangers out, not attackers. */
export const DATAGRAM_QKEY = 0x6472_6567;
/** Longest datagram, in bytes. */
export const DATAGRAM_BYTES_MAX = 216;
/** Datagrams that can wait to be taken. Further ones are lost, as datagrams may be. */
export const DATAGRAM_RECEIVES = 64;
/** Datagrams under way at one time. */
export const DATAGRAM_SENDS = 16;
/** Routes to peers (address handles) that are kept. */
export const DATAGRAM_PATHS_MAX = 256;

/** The device puts the sender's route before each datagram. */
const ROUTE_BYTES = 40;
const SLOT_BYTES = ROUTE_BYTES + DATAGRAM_BYTES_MAX;
/** In the low half of the id of a receive. */
const RECEIVE = 1 << 30;

/** Where a datagram goes: the number of a datagram queue, and the route to it. */
export interface DatagramAddress extends PathAddress {
  number: number;
}

export class DatagramQueue implements Completer {
  tag = 0;
  /** The queue pair's number at the device, 24 bits. */
  readonly number: number;
  /**
   * Called for each datagram. The bytes are valid during the call only; `source` is the sender's queue
   * number.
   */
  onDatagram: (bytes: Uint8Array, source: number) => void = () => {};

  readonly #site: QueueSite;
  readonly #area: Area;
  readonly #index: number;
  /** Slots of the area behind those for receives, from which no datagram is being sent. */
  readonly #free: number[] = [];
  readonly #paths = new Map<string, number>();
  #closed = false;

  /** @throws MpiError ERR_UNSUPPORTED on iWARP, which has no datagrams; ERR_NO_MEM */
  constructor(site: QueueSite) {
    this.#site = site;
    const { core } = site;
    const slots = DATAGRAM_RECEIVES + DATAGRAM_SENDS;
    this.#area = new Area(core, slots * SLOT_BYTES);
    this.#area.register(0, slots * SLOT_BYTES);
    for (let slot = DATAGRAM_RECEIVES; slot < slots; slot++) this.#free.push(slot);
    core.enter(this);
    const got = new Int32Array(QUEUE.words);
    const index = core.native.verbsQueue(
      core.id,
      QUEUE_KIND.datagram,
      DATAGRAM_SENDS,
      DATAGRAM_RECEIVES,
      0,
      this.tag,
      got,
    );
    if (index < 0) core.leave(this);
    this.#index = check(index, 'ibv_create_qp', core.name);
    this.number = got[QUEUE.number];
    this.#start();
  }

  /** Sends a copy of the bytes; false: not now. Nobody learns whether the copy arrives. */
  send(to: DatagramAddress, bytes: Uint8Array): boolean {
    if (bytes.length > DATAGRAM_BYTES_MAX)
      throw new MpiError('ERR_INTERNAL', `a datagram of ${bytes.length} bytes is too long`);
    const { core } = this.#site;
    const slot = this.#free.at(-1);
    if (slot === undefined || this.#closed) return false;
    const path = this.#pathTo(to);
    const offset = slot * SLOT_BYTES;
    this.#area.bytes.set(bytes, offset);
    const { request } = core;
    request[REQUEST.opcode] = WORK.send;
    request[REQUEST.flags] = FLAG.signaled;
    request[REQUEST.idLow] = slot;
    request[REQUEST.idHigh] = this.tag;
    request[REQUEST.area] = this.#area.index;
    request[REQUEST.offset] = offset;
    request[REQUEST.length] = bytes.length;
    request[REQUEST.address] = path;
    request[REQUEST.remoteQueue] = to.number;
    request[REQUEST.remoteQkey] = DATAGRAM_QKEY;
    if (core.native.verbsPost(core.id, this.#index) < 0) return false;
    this.#free.pop();
    return true;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    const { core } = this.#site;
    core.leave(this);
    if (core.closed) return;
    core.native.verbsQueueClose(core.id, this.#index);
    for (const path of this.#paths.values()) core.native.verbsAddressClose(core.id, path);
    this.#area.close();
  }

  /** @internal The device's `poll` calls it. */
  complete(idLow: number, completion: Int32Array, at: number): void {
    if ((idLow & RECEIVE) === 0) {
      this.#free.push(idLow);
      return;
    }
    const slot = idLow & ~RECEIVE;
    const length = completion[at + COMPLETION.bytes] - ROUTE_BYTES;
    const source = completion[at + COMPLETION.sourceQueue];
    try {
      if (completion[at + COMPLETION.status] === 0 && length >= 0) {
        const offset = slot * SLOT_BYTES + ROUTE_BYTES;
        this.onDatagram(this.#area.bytes.subarray(offset, offset + length), source);
      }
    } finally {
      if (!this.#closed) this.#postReceive(slot);
    }
  }

  #start(): void {
    const { core, port } = this.#site;
    const { attributes } = core;
    attributes.fill(0);
    attributes[ATTRIBUTE.port] = port;
    attributes[ATTRIBUTE.qkey] = DATAGRAM_QKEY;
    try {
      this.#modify(STATE.init, MASK.pkeyIndex | MASK.port | MASK.qkey);
      for (let slot = 0; slot < DATAGRAM_RECEIVES; slot++)
        check(this.#postReceive(slot), 'ibv_post_recv', core.name);
      this.#modify(STATE.receiving, 0);
      this.#modify(STATE.sending, MASK.sendPsn);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  #modify(state: number, mask: number): void {
    const { core } = this.#site;
    core.attributes[ATTRIBUTE.state] = state;
    const answer = core.native.verbsModify(
      core.id,
      this.#index,
      MASK.state | mask,
      core.attributes,
      new Uint8Array(16),
    );
    check(answer, 'ibv_modify_qp', core.name);
  }

  #postReceive(slot: number): number {
    const { core } = this.#site;
    return core.native.verbsPostDatagramReceive(
      core.id,
      this.#index,
      this.#area.index,
      slot * SLOT_BYTES,
      SLOT_BYTES,
      RECEIVE | slot,
      this.tag,
    );
  }

  /** An address handle for the route to a peer. Where there are too many the oldest one goes. */
  #pathTo(to: PathAddress): number {
    const { core, port, gidIndex, global } = this.#site;
    const key = `${to.lid} ${to.gid}`;
    const known = this.#paths.get(key);
    if (known !== undefined) return known;
    core.attributes.fill(0);
    const gid = setPath(core.attributes, to, { port, gidIndex, global });
    if (this.#paths.size >= DATAGRAM_PATHS_MAX) this.#forget();
    const path = check(
      core.native.verbsAddress(core.id, core.attributes, gid),
      'ibv_create_ah',
      `${core.name}: no way to ${to.gid}`,
    );
    this.#paths.set(key, path);
    return path;
  }

  /** Drops a route, once no datagram is under way on any. */
  #forget(): void {
    if (this.#free.length < DATAGRAM_SENDS) return;
    const [[key, path]] = this.#paths;
    this.#paths.delete(key);
    this.#site.core.native.verbsAddressClose(this.#site.core.id, path);
  }
}
