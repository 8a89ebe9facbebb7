/** The connection to one rank on this node: a ring in each direction, and each other's memory. */
import { addon, type RemoteCall } from '../../native/addon.ts';
import { check, errnoName, MpiError } from '../../runtime/base/error.ts';
import type { Channel, Exposure, OneSidedWay, Purpose } from '../transport.ts';
import { EXPOSED_ADDRESS, EXPOSED_NOT, EXPOSED_SHARED, TOOK_OTHER } from '../transport.ts';
import { ring } from './doorbell.ts';
import type { Heap, HeapWindows } from './heap.ts';
import { ABSENT, CONTROL, MAX_BODY, SHM_EAGER_BYTES } from './layout.ts';
import type { RingReceiver } from './ring-receiver.ts';
import type { RingSender } from './ring-sender.ts';

const TWO_32 = 2 ** 32;
/**
 * No 'put': a receiver that goes on with its work could detach the buffer, and the sender would write
 * into memory that is somebody else's by then. While a copy is shared the receiver does nothing else.
 */
const WAYS: readonly OneSidedWay[] = ['share', 'get'];
const { addressOf, copy, readRemote, writeRemote } = addon();

/** What the channels of a rank share. */
export interface Surroundings {
  heap: Heap;
  windows: HeapWindows;
  /** Told once, by the first channel whose probe of process_vm_readv failed. */
  noteNoAddresses(peer: number, reason: string): void;
}

export class ShmChannel implements Channel {
  readonly peer: number;
  readonly transport = 'shm';
  readonly maxBody = MAX_BODY;
  /** Beyond one packet, fetching is as fast as packets in a row: the receiver decides. */
  readonly eagerBytes = SHM_EAGER_BYTES;
  readonly segmentBytes = Number.POSITIVE_INFINITY;
  readonly ways = WAYS;
  /** The peer's control page and bell. */
  readonly #control: Int32Array;
  readonly #bell: number;
  readonly #sender: RingSender;
  readonly #surroundings: Surroundings;
  #receiver: RingReceiver | null = null;
  #reaches: boolean | undefined;

  constructor(
    peer: number,
    control: Int32Array,
    bell: number,
    sender: RingSender,
    surroundings: Surroundings,
  ) {
    this.peer = peer;
    this.#control = control;
    this.#bell = bell;
    this.#sender = sender;
    this.#surroundings = surroundings;
  }

  /** The ring towards us, from the peer's first contact on. */
  set receiver(receiver: RingReceiver) {
    this.#receiver = receiver;
    this.#sender.reverse = receiver;
  }

  trySend(
    kind: number,
    context: number,
    tag: number,
    bytes: Uint8Array,
    offset: number,
    length: number,
  ): boolean {
    if (!this.#sender.trySend(kind, context, tag, bytes, offset, length)) return false;
    ring(this.#control, this.#bell);
    return true;
  }

  trySendExtended(
    kind: number,
    context: number,
    tag: number,
    extension: Int32Array,
    bytes: Uint8Array,
    offset: number,
    length: number,
  ): boolean {
    const sender = this.#sender;
    if (!sender.trySendExtended(kind, context, tag, extension, bytes, offset, length)) return false;
    ring(this.#control, this.#bell);
    return true;
  }

  tryTake(kind: number, context: number, tag: number, to: Uint8Array, looks: number): number {
    const receiver = this.#receiver;
    return receiver === null ? TOOK_OTHER : receiver.tryTake(kind, context, tag, to, looks);
  }

  get takenTag(): number {
    return this.#receiver === null ? 0 : this.#receiver.tag;
  }

  returnCredit(bytes: number): void {
    this.#receiver?.returnCredit(bytes);
  }

  creditReturned(): number {
    return this.#sender.creditReturned();
  }

  flush(): void {
    this.#receiver?.flush();
  }

  get inboundClaims(): Int32Array | null {
    return this.#receiver?.claims ?? null;
  }

  get outboundClaims(): Int32Array {
    return this.#sender.claims;
  }

  /** EXPOSED_ADDRESS works towards this peer. */
  get #reachesAddresses(): boolean {
    this.#reaches ??= this.#probe();
    return this.#reaches === true;
  }

  maps(bytes: Uint8Array): boolean {
    return this.#surroundings.heap.offsetOf(bytes.buffer) !== undefined;
  }

  expose(
    bytes: Uint8Array,
    offset: number,
    _length: number,
    _purpose: Purpose,
    exposure: Exposure,
  ): boolean {
    const base = this.#surroundings.heap.offsetOf(bytes.buffer);
    let where = 0;
    if (base !== undefined) {
      exposure.scheme = EXPOSED_SHARED;
      where = base + bytes.byteOffset + offset;
    } else if (this.#reachesAddresses) {
      exposure.scheme = EXPOSED_ADDRESS;
      where = addressOf(bytes) + offset;
    } else exposure.scheme = EXPOSED_NOT;
    exposure.low = (where % TWO_32) | 0;
    exposure.high = Math.floor(where / TWO_32);
    return exposure.scheme !== EXPOSED_NOT;
  }

  /** Nothing is held by either scheme: a heap stays mapped, and an address is only a number. */
  conceal(exposure: Exposure): void {
    exposure.scheme = EXPOSED_NOT;
  }

  pull(exposure: Exposure, at: number, to: Uint8Array, offset: number, length: number): boolean {
    const where = this.#placeOf(exposure, at);
    if (exposure.scheme === EXPOSED_SHARED) {
      this.#surroundings.windows.forEach(where, length, (window, from, done, bytes) => {
        copied(copy(to, offset + done, window, from, bytes), this.peer);
      });
    } else this.#remote('process_vm_readv', readRemote, where, to, offset, length);
    return true;
  }

  push(exposure: Exposure, at: number, from: Uint8Array, offset: number, length: number): boolean {
    const where = this.#placeOf(exposure, at);
    if (exposure.scheme === EXPOSED_SHARED) {
      this.#surroundings.windows.forEach(where, length, (window, to, done, bytes) => {
        copied(copy(window, to, from, offset + done, bytes), this.peer);
      });
    } else this.#remote('process_vm_writev', writeRemote, where, from, offset, length);
    return true;
  }

  #placeOf({ scheme, low, high }: Exposure, at: number): number {
    if (scheme === EXPOSED_SHARED || scheme === EXPOSED_ADDRESS)
      return (low >>> 0) + high * TWO_32 + at;
    throw new MpiError(
      'ERR_PROTOCOL',
      `rank ${this.peer} exposes memory in the way ${scheme}, which shared memory does not have`,
      { peer: this.peer },
    );
  }

  #remote(
    syscall: string,
    call: RemoteCall,
    where: number,
    bytes: Uint8Array,
    offset: number,
    length: number,
  ): void {
    const pid = this.#control[CONTROL.pid];
    let done = 0;
    while (done < length) {
      const count = call(pid, where + done, bytes, offset + done, length - done);
      if (count <= 0)
        throw new MpiError(
          'ERR_PEER_FAILED',
          `${length} bytes of rank ${this.peer}'s memory cannot be reached: ${syscall} ${count === 0 ? 'moved nothing' : `failed with ${errnoName(-count)}`}; has that rank ended, or given its buffer away?`,
          { peer: this.peer, errno: -count, syscall },
        );
      done += count;
    }
  }

  /** Reads one word of the peer's by its address: the only true answer to whether we may. */
  #probe(): boolean | undefined {
    const control = this.#control;
    if (Atomics.load(control, CONTROL.presence) === ABSENT) return undefined;
    const low = control[CONTROL.probeAddressLow] >>> 0;
    const address = low + control[CONTROL.probeAddressHigh] * TWO_32;
    const word = new Int32Array(1);
    const answer = readRemote(control[CONTROL.pid], address, word, 0, 4);
    if (answer === 4 && word[0] === control[CONTROL.probeWord]) return true;
    const reason = answer < 0 ? errnoName(-answer) : 'it read something else';
    // A peer that has ended is no question of permission.
    if (reason === 'ESRCH') return false;
    this.#surroundings.noteNoAddresses(this.peer, reason);
    return false;
  }
}

/** A copy that moved nothing: one of the two buffers is not what it was. */
function copied(answer: number, peer: number): void {
  if (answer >= 0) return;
  throw new MpiError(
    'ERR_BUFFER',
    `a buffer of a message with rank ${peer} was detached or shrunk while it was being copied`,
    { peer, errno: -answer },
  );
}

/** The word that peers read by its address to see whether they can, and whose it is. */
export function publishProbe(control: Int32Array): Int32Array {
  const word = new Int32Array(1);
  word[0] = (Math.random() * TWO_32) | 0;
  const address = check(addressOf(word), 'napi', 'finding the address of a buffer');
  control[CONTROL.probeAddressLow] = (address % TWO_32) | 0;
  control[CONTROL.probeAddressHigh] = Math.floor(address / TWO_32);
  control[CONTROL.probeWord] = word[0];
  control[CONTROL.pid] = process.pid;
  return word;
}
