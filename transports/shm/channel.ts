/** The connection to one rank on this node: a ring in each direction, and each other's memory. */
import { constants } from 'node:os';
import { addon, type RemoteCall } from '../../native/addon.ts';
import { bufferOf, byteOffsetOf } from '../../runtime/base/bytes.ts';
import { now } from '../../runtime/base/clock.ts';
import { check, errnoName, MpiError } from '../../runtime/base/error.ts';
import type {
  Channel,
  MappedPlace,
  Noncontiguous,
  OneSidedScheme,
  Purpose,
  RemoteAccess,
} from '../transport.ts';
import { ACCESS_ADDRESS, ACCESS_MAPPED, ACCESS_NONE, TOOK_OTHER } from '../transport.ts';
import { ring } from './doorbell.ts';
import type { Heap } from './heap.ts';
import type { HeapWindows } from './heap-windows.ts';
import { ABSENT, CONTROL, LEFT, MAX_BODY, SHARED_HEAP, SHM_EAGER_BYTES } from './layout.ts';
import type { RingReceiver } from './ring-receiver.ts';
import type { RingSender } from './ring-sender.ts';
import type { SharedHeaps } from './shared-heaps.ts';

const TWO_32 = 2 ** 32;
/**
 * No 'put'. A receiver that goes on with its work could detach the buffer, and the sender would then write
 * into memory of another owner. While a copy is shared the receiver does nothing else, unless the sender is
 * stopped within a piece.
 */
const SCHEMES: readonly OneSidedScheme[] = ['share', 'get'];
/**
 * Milliseconds after which a rank checks again whether a pid is still the peer's. The kernel gives a pid to
 * another process only once it has used all others, which takes longer.
 */
export const PID_CHECK_MS = 100;
/** At the address that the peer named lies another word than the peer wrote there. */
const OTHER_WORD = 1;

/** What the channels of a rank share. */
export interface Surroundings {
  heap: Heap;
  windows: HeapWindows;
  sharedHeaps: SharedHeaps;
  /** Called once, by the first channel whose probe of process_vm_readv failed. */
  noteNoAddresses(peer: number, reason: string): void;
}

export class ShmChannel implements Channel {
  readonly peer: number;
  /** The peer's local rank. */
  readonly #local: number;
  readonly transport = 'shm';
  readonly maxBody = MAX_BODY;
  /** Beyond one packet, fetching is as fast as packets in a row: the receiver decides. */
  readonly eagerBytes = SHM_EAGER_BYTES;
  readonly segmentBytes = Number.POSITIVE_INFINITY;
  readonly schemes = SCHEMES;
  /** The peer's control page and doorbell. */
  readonly #control: Int32Array;
  #doorbell: number;
  readonly #sender: RingSender;
  readonly #surroundings: Surroundings;
  #receiver: RingReceiver | null = null;
  #reaches: boolean | undefined;
  /** When the pid was last known to be the peer's, by `now()`. */
  #pidChecked = Number.NEGATIVE_INFINITY;

  constructor(
    peer: number,
    local: number,
    control: Int32Array,
    doorbell: number,
    sender: RingSender,
    surroundings: Surroundings,
  ) {
    this.peer = peer;
    this.#local = local;
    this.#control = control;
    this.#doorbell = doorbell;
    this.#sender = sender;
    this.#surroundings = surroundings;
  }

  /** The doorbell's number is somebody else's from now on. */
  close(): void {
    this.#doorbell = -1;
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
    ring(this.#control, this.#doorbell);
    return true;
  }

  trySendAgain(kind: number, context: number, tag: number, bytes: unknown): number {
    const length = this.#sender.trySendAgain(kind, context, tag, bytes);
    if (length > 0) ring(this.#control, this.#doorbell);
    return length;
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
    ring(this.#control, this.#doorbell);
    return true;
  }

  trySendPacked(
    kind: number,
    context: number,
    tag: number,
    extension: Int32Array | null,
    body: Noncontiguous,
    offset: number,
    length: number,
  ): boolean {
    if (!this.#sender.trySendPacked(kind, context, tag, extension, body, offset, length))
      return false;
    ring(this.#control, this.#doorbell);
    return true;
  }

  tryTake(kind: number, context: number, tag: number, to: unknown, looks: number): number {
    const receiver = this.#receiver;
    return receiver === null ? TOOK_OTHER : receiver.tryTake(kind, context, tag, to, looks);
  }

  get takenTag(): number {
    return this.#receiver === null ? 0 : this.#receiver.tag;
  }

  returnCredit(credit: number): void {
    this.#receiver?.returnCredit(credit);
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

  /** ACCESS_ADDRESS works towards this peer. */
  get #reachesAddresses(): boolean {
    this.#reaches ??= this.#probe();
    return this.#reaches === true;
  }

  maps(bytes: Uint8Array): boolean {
    return this.#surroundings.heap.allocationOf(bufferOf(bytes)) !== undefined;
  }

  exportMemory(
    bytes: Uint8Array,
    offset: number,
    _length: number,
    _purpose: Purpose,
    access: RemoteAccess,
  ): boolean {
    const allocation = this.#surroundings.heap.allocationOf(bufferOf(bytes));
    let where = 0;
    // The peer copies from the file, so it does not matter whether the program moves or frees the buffer
    // meanwhile.
    if (allocation?.hold()) {
      access.kind = ACCESS_MAPPED;
      access.hold = allocation;
      where = allocation.range.offset + byteOffsetOf(bytes) + offset;
    } else {
      const address = addon().addressOf(bytes);
      const inHeap = this.#surroundings.sharedHeaps.offsetOf(address, this.#local);
      where = (inHeap < 0 ? address : SHARED_HEAP + inHeap) + offset;
      if (inHeap >= 0) access.kind = ACCESS_MAPPED;
      else access.kind = this.#reachesAddresses ? ACCESS_ADDRESS : ACCESS_NONE;
    }
    access.low = (where % TWO_32) | 0;
    access.high = Math.floor(where / TWO_32);
    return access.kind !== ACCESS_NONE;
  }

  revoke(access: RemoteAccess): void {
    access.hold?.release();
    access.hold = null;
    access.kind = ACCESS_NONE;
  }

  pull(access: RemoteAccess, at: number, to: Uint8Array, offset: number, length: number): boolean {
    const where = this.#placeOf(access, at);
    if (access.kind === ACCESS_MAPPED) {
      const windows = this.#windowsOf(where, false);
      windows.forEach(offsetIn(where), length, (window, from, done, bytes) => {
        copied(addon().copy(to, offset + done, window, from, bytes), this.peer);
      });
    } else this.#remote('process_vm_readv', addon().readRemote, where, to, offset, length);
    return true;
  }

  locate(access: RemoteAccess, at: number, length: number, found: MappedPlace): boolean {
    if (access.kind !== ACCESS_MAPPED) return false;
    const where = this.#placeOf(access, at);
    return this.#windowsOf(where, false).locate(offsetIn(where), length, found);
  }

  push(
    access: RemoteAccess,
    at: number,
    from: Uint8Array,
    offset: number,
    length: number,
  ): boolean {
    const where = this.#placeOf(access, at);
    if (access.kind === ACCESS_MAPPED) {
      const windows = this.#windowsOf(where, true);
      windows.forEach(offsetIn(where), length, (window, to, done, bytes) => {
        copied(addon().copy(window, to, from, offset + done, bytes), this.peer);
      });
    } else this.#remote('process_vm_writev', addon().writeRemote, where, from, offset, length);
    return true;
  }

  /** Of memory that both map: in the segment's heaps, or in the peer's own. */
  #windowsOf(where: number, writes: boolean): HeapWindows {
    const { windows, sharedHeaps } = this.#surroundings;
    if (where < SHARED_HEAP) return windows;
    const heap = sharedHeaps.peer(this.#local);
    if (heap !== undefined) return writes ? heap.writing : heap.reading;
    throw new MpiError(
      'ERR_PROTOCOL',
      `rank ${this.peer} exported memory of a shared heap that is not mapped here: let all ranks run the same version of dreg-mpi`,
      { peer: this.peer },
    );
  }

  #placeOf({ kind, low, high }: RemoteAccess, at: number): number {
    if (kind === ACCESS_MAPPED || kind === ACCESS_ADDRESS) return (low >>> 0) + high * TWO_32 + at;
    throw new MpiError(
      'ERR_PROTOCOL',
      `rank ${this.peer} exports memory by access ${kind}, which shared memory does not have: let all ranks run the same version of dreg-mpi`,
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
    this.#checkPid();
    let done = 0;
    while (done < length) {
      const count = call(pid, where + done, bytes, offset + done, length - done);
      if (count === -constants.errno.EFAULT) throw this.#taken(length, syscall);
      if (count <= 0) throw this.#unreachable(length, syscall, count);
      done += count;
    }
  }

  /** The peer is there, and its memory is not: a program may give a buffer away, and its next owner may drop it. */
  #taken(length: number, syscall: string): MpiError {
    return new MpiError(
      'ERR_BUFFER',
      `${length} bytes of rank ${this.peer}'s memory are not there any more (${syscall}: EFAULT): its program has taken the buffer away (transfer, resize) while a message was on its way`,
      { peer: this.peer, errno: constants.errno.EFAULT, syscall },
    );
  }

  #unreachable(length: number, syscall: string, answer: number): MpiError {
    return new MpiError(
      'ERR_PEER_FAILED',
      `${length} bytes of rank ${this.peer}'s memory cannot be reached: ${syscall} ${answer === 0 ? 'moved nothing' : `failed with ${errnoName(-answer)}`}; that rank has ended, or its program has taken the buffer away (transfer, resize)`,
      { peer: this.peer, errno: -answer, syscall },
    );
  }

  /** A pid names the peer's memory. Some time after the peer has ended, the pid is another process's. */
  #checkPid(): void {
    const time = now();
    if (time - this.#pidChecked <= PID_CHECK_MS) return;
    const answer = this.#readProbe();
    if (answer < 0) throw this.#unreachable(4, 'process_vm_readv', answer);
    if (answer === OTHER_WORD)
      throw this.#unreachable(4, 'process_vm_readv', -constants.errno.ESRCH);
    this.#pidChecked = time;
  }

  /** Whether ACCESS_ADDRESS works. Only reading shows whether this process may read. */
  #probe(): boolean | undefined {
    if (Atomics.load(this.#control, CONTROL.presence) === ABSENT) return undefined;
    const answer = this.#readProbe();
    if (answer === 0) return true;
    // A peer that has left or ended says nothing about permission.
    const left = Atomics.load(this.#control, CONTROL.presence) === LEFT;
    if (left || answer === -constants.errno.ESRCH) return false;
    const reason = answer === OTHER_WORD ? 'it read something else' : errnoName(-answer);
    this.#surroundings.noteNoAddresses(this.peer, reason);
    return false;
  }

  /**
   * Reads a word of the peer's memory by address.
   * @returns 0, OTHER_WORD or a negative errno
   */
  #readProbe(): number {
    const control = this.#control;
    const low = control[CONTROL.probeAddressLow] >>> 0;
    const address = low + control[CONTROL.probeAddressHigh] * TWO_32;
    const word = new Int32Array(1);
    const answer = addon().readRemote(control[CONTROL.pid], address, word, 0, 4);
    if (answer < 0) return answer;
    return answer === 4 && word[0] === control[CONTROL.probeWord] ? 0 : OTHER_WORD;
  }
}

/** An offset in the segment's heaps, or in a rank's shared heap. */
const offsetIn = (where: number) => (where < SHARED_HEAP ? where : where - SHARED_HEAP);

/** A copy that moved nothing: one of the two buffers was detached or has shrunk. */
function copied(answer: number, peer: number): void {
  if (answer >= 0) return;
  throw new MpiError(
    'ERR_BUFFER',
    `a buffer of a message with rank ${peer} was detached or shrunk while it was being copied`,
    { peer, errno: -answer },
  );
}

/** Peers read this word by its address. It shows them whether they may, and whose memory it is. */
export function publishProbe(control: Int32Array): Int32Array {
  const word = new Int32Array(1);
  word[0] = (Math.random() * TWO_32) | 0;
  const address = check(addon().addressOf(word), 'napi', 'finding the address of a buffer');
  control[CONTROL.probeAddressLow] = (address % TWO_32) | 0;
  control[CONTROL.probeAddressHigh] = Math.floor(address / TWO_32);
  control[CONTROL.probeWord] = word[0];
  control[CONTROL.pid] = process.pid;
  return word;
}
