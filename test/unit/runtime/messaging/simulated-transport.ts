/** One rank's end of a simulation: its transport, and the channels to the others. */
import { hasRoomFor } from '../../../../runtime/base/bytes.ts';
import { MpiError } from '../../../../runtime/base/error.ts';
import {
  ACCESS_KEY,
  ACCESS_MAPPED,
  ACCESS_NONE,
  type Channel,
  type Done,
  EXTENSION_WORDS,
  type Noncontiguous,
  type OneSidedScheme,
  type Packet,
  type PacketHandler,
  type Purpose,
  type RemoteAccess,
  TOOK_NOTHING,
  TOOK_OTHER,
  type Transport,
} from '../../../../transports/transport.ts';
import type { Simulation } from './simulated.ts';

class SimulatedPacket implements Packet {
  readonly extension = new Int32Array(EXTENSION_WORDS);
  readonly kind: number;
  readonly context: number;
  readonly tag: number;
  readonly extended: boolean;
  readonly #body: Uint8Array;

  constructor(
    kind: number,
    context: number,
    tag: number,
    extension: Int32Array | null,
    body: Uint8Array,
  ) {
    this.kind = kind;
    this.context = context;
    this.tag = tag;
    this.extended = extension !== null;
    if (extension !== null) this.extension.set(extension);
    this.#body = body;
  }

  get length(): number {
    return this.#body.length;
  }

  copyTo(to: Uint8Array, at: number): void {
    to.set(this.#body, at);
  }

  unpackTo(to: Noncontiguous, offset: number): void {
    to.unpack(offset, this.length, this.#body, 0);
  }
}

class SimulatedChannel implements Channel {
  readonly transport = 'simulated';
  readonly peer: number;
  readonly maxBody: number;
  readonly eagerBytes: number;
  readonly segmentBytes: number;
  readonly schemes: readonly OneSidedScheme[];
  readonly inboundClaims: Int32Array | null;
  takenTag = 0;
  /** Packets on their way to us, and how many polls the next one still takes. */
  readonly inbound: SimulatedPacket[] = [];
  broken = false;
  #late = 0;
  #credit = 0;
  readonly #simulation: Simulation;
  readonly #rank: number;

  constructor(simulation: Simulation, rank: number, peer: number) {
    this.#simulation = simulation;
    this.#rank = rank;
    this.peer = peer;
    const { maxBody, eagerBytes, segmentBytes, schemes } = simulation.options;
    this.maxBody = maxBody;
    this.eagerBytes = eagerBytes;
    this.segmentBytes = segmentBytes;
    this.schemes = schemes;
    this.inboundClaims = simulation.options.shared ? new Int32Array(16) : null;
  }

  get outboundClaims(): Int32Array | null {
    return this.#other.inboundClaims;
  }

  get #other(): SimulatedChannel {
    return this.#simulation.transports[this.peer].connect(this.#rank);
  }

  trySend(
    kind: number,
    context: number,
    tag: number,
    bytes: Uint8Array,
    offset: number,
    length: number,
  ): boolean {
    return this.#send(kind, context, tag, null, bytes, offset, length);
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
    return this.#send(kind, context, tag, extension, bytes, offset, length);
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
    const packed = new Uint8Array(length);
    body.pack(offset, length, packed, 0);
    return this.#send(kind, context, tag, extension, packed, 0, length);
  }

  #send(
    kind: number,
    context: number,
    tag: number,
    extension: Int32Array | null,
    bytes: Uint8Array,
    offset: number,
    length: number,
  ): boolean {
    if (length > this.maxBody) this.#simulation.offences.push(`a body of ${length} bytes`);
    const other = this.#other;
    if (other.inbound.length >= this.#simulation.options.room) return false;
    // Of a broken connection everything is lost.
    if (this.broken) return true;
    const body = bytes.slice(offset, offset + length);
    other.inbound.push(new SimulatedPacket(kind, context, tag, extension, body));
    return true;
  }

  /** The next packet, when it has come. */
  next(): SimulatedPacket | undefined {
    if (this.inbound.length === 0 || this.broken) return undefined;
    if (this.#late > 0) {
      this.#late--;
      return undefined;
    }
    this.#late = this.#simulation.random.below(4);
    return this.inbound.shift();
  }

  trySendAgain(): number {
    return 0;
  }

  tryTake(kind: number, context: number, tag: number, to: unknown): number {
    const [packet] = this.inbound;
    if (packet === undefined) return TOOK_NOTHING;
    const same = packet.kind === kind && packet.context === context;
    const fits = same && hasRoomFor(to, packet.length);
    if (packet.extended || !fits || (tag !== packet.tag && tag !== -1)) return TOOK_OTHER;
    this.inbound.shift();
    packet.copyTo(to as Uint8Array, 0);
    this.takenTag = packet.tag;
    return packet.length;
  }

  returnCredit(bytes: number): void {
    this.#credit = (this.#credit + bytes) | 0;
  }

  creditReturned(): number {
    return this.#other.#credit;
  }

  flush(): void {}

  exportMemory(
    bytes: Uint8Array,
    offset: number,
    length: number,
    purpose: Purpose,
    access: RemoteAccess,
  ): boolean {
    const simulation = this.#simulation;
    if (length > this.segmentBytes || length === 0)
      simulation.offences.push(`a segment of ${length} bytes`);
    if (access.kind !== ACCESS_NONE) simulation.offences.push('an access in use is used again');
    if (this.broken || simulation.chance(simulation.options.exportFails)) return false;
    const view = bytes.subarray(offset, offset + length);
    access.kind = simulation.options.shared ? ACCESS_MAPPED : ACCESS_KEY;
    access.key = simulation.export(this.#rank, this.peer, view, purpose);
    access.low = access.key * 7;
    access.high = access.key * 11;
    access.hold = { release() {} };
    return true;
  }

  maps(): boolean {
    return false;
  }

  revoke(access: RemoteAccess): void {
    if (access.kind === ACCESS_NONE) return;
    if (access.hold === null) this.#simulation.offences.push("the peer's access is revoked");
    access.kind = ACCESS_NONE;
    access.hold = null;
    this.#simulation.revoke(this.#rank, access.key);
  }

  pull(
    access: RemoteAccess,
    at: number,
    to: Uint8Array,
    offset: number,
    length: number,
    done: Done,
  ): boolean {
    this.#simulation.counts.pulled++;
    return this.#move(access, 'pull', at, to, offset, length, done);
  }

  push(
    access: RemoteAccess,
    at: number,
    from: Uint8Array,
    offset: number,
    length: number,
    done: Done,
  ): boolean {
    this.#simulation.counts.pushed++;
    return this.#move(access, 'push', at, from, offset, length, done);
  }

  #move(
    access: RemoteAccess,
    purpose: Purpose,
    at: number,
    bytes: Uint8Array,
    offset: number,
    length: number,
    done: Done,
  ): boolean {
    const simulation = this.#simulation;
    const { options, random } = simulation;
    const { kind, key, low, high } = access;
    if (kind === ACCESS_NONE || low !== key * 7 || high !== key * 11)
      throw new MpiError('ERR_PROTOCOL', 'no such access', { peer: this.peer });
    if (simulation.chance(options.beginFails))
      throw new MpiError('ERR_NO_MEM', 'it cannot begin', { peer: this.peer });
    const local = bytes.subarray(offset, offset + length);
    const run = () => {
      simulation.onMove(this.#rank);
      const remote = simulation.reach(key, this.#rank, purpose);
      // Pages of a buffer that was taken away stay pinned; what is in them is nobody's.
      if (remote?.buffer.byteLength === 0 || local.buffer.byteLength === 0) return null;
      if (remote === null || at + length > remote.length)
        return new MpiError('ERR_PROTOCOL', 'no such access', { peer: this.peer });
      simulation.check(remote, local);
      if (simulation.chance(options.moveFails)) return new MpiError('ERR_BUFFER', 'under way', {});
      if (purpose === 'pull') local.set(remote.subarray(at, at + length));
      else remote.set(local, at);
      return null;
    };
    if (simulation.chance(options.atOnce)) {
      const error = run();
      if (error !== null) throw error;
      return true;
    }
    const polls = 1 + random.below(12);
    simulation.operations.push({ from: this.#rank, to: this.peer, local: bytes, polls, run, done });
    return false;
  }
}

export class SimulatedTransport implements Transport {
  readonly name = 'simulated';
  readonly wakeFd = -1;
  readonly #simulation: Simulation;
  readonly #rank: number;
  readonly #channels: SimulatedChannel[] = [];

  constructor(simulation: Simulation, rank: number) {
    this.#simulation = simulation;
    this.#rank = rank;
  }

  connect(peer: number): SimulatedChannel {
    this.#channels[peer] ??= new SimulatedChannel(this.#simulation, this.#rank, peer);
    return this.#channels[peer];
  }

  poll(handler: PacketHandler): number {
    let count = 0;
    for (const channel of this.#channels)
      for (let i = 0; channel !== undefined && i < this.#simulation.options.burst; i++)
        if (this.#deliver(channel, handler)) count++;
    this.#simulation.advance(this.#rank);
    return count;
  }

  #deliver(channel: SimulatedChannel, handler: PacketHandler): boolean {
    const packet = channel.next();
    if (packet === undefined) return false;
    try {
      handler.onPacket(channel.peer, packet);
    } catch (error) {
      if (!(error instanceof MpiError)) this.#simulation.offences.push(String(error));
      this.#simulation.lose(this.#rank, channel.peer, error as MpiError);
    }
    return true;
  }

  breakFrom(peer: number): void {
    const channel = this.connect(peer);
    channel.broken = true;
    channel.inbound.length = 0;
  }

  arm(): void {}
  disarm(): void {}
  block(): void {}
  watch(): { ref(): void; unref(): void; close(): void } {
    return { ref() {}, unref() {}, close() {} };
  }
  presence(): 'present' {
    return 'present';
  }
  leave(): void {}

  close(): void {
    const { operations } = this.#simulation;
    for (const operation of operations.filter(({ from }) => from === this.#rank)) {
      operations.splice(operations.indexOf(operation), 1);
      operation.done(new MpiError('ERR_CLOSED', 'the transport is closed', {}));
    }
  }
}
