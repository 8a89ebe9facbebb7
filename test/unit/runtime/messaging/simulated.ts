/**
 * A transport within this process that is slow, small and unreliable on purpose: packets come late,
 * there is hardly any room, and what is pulled or pushed is under way for some polls. Everything random
 * comes from a seed. It watches over what the protocol must never do with exported memory.
 */
import { MpiError } from '../../../../runtime/base/error.ts';
import { Engine } from '../../../../runtime/messaging/engine.ts';
import { CREDIT_LIMITS, type CreditLimits } from '../../../../runtime/messaging/flow/credit.ts';
import type { RendezvousPreference } from '../../../../runtime/messaging/rendezvous/cost-model.ts';
import { Request } from '../../../../runtime/mpi/point-to-point/request.ts';
import type { StartedRequest } from '../../../../runtime/mpi/point-to-point/started-request.ts';
import { SelfTransport } from '../../../../transports/self/transport.ts';
import type {
  Channel,
  Done,
  Noncontiguous,
  OneSidedScheme,
  Packet,
  PacketHandler,
  Purpose,
  RemoteAccess,
  Transport,
} from '../../../../transports/transport.ts';
import {
  ACCESS_KEY,
  ACCESS_MAPPED,
  ACCESS_NONE,
  EXTENSION_WORDS,
  TOOK_NOTHING,
  TOOK_OTHER,
} from '../../../../transports/transport.ts';
import type { Random } from '../../../tools/random.ts';

export interface SimulationOptions {
  random: Random;
  ranks?: number;
  maxBody?: number;
  eagerBytes?: number;
  segmentBytes?: number;
  schemes?: readonly OneSidedScheme[];
  /** Packets that one poll takes from one peer, at most. */
  burst?: number;
  /** Packets that one direction holds. */
  room?: number;
  /** Of this many accesses one fails; 0: none. */
  exportFails?: number;
  /** Of this many pulls and pushes one is refused before it begins. */
  beginFails?: number;
  /** Of this many one fails under way. */
  moveFails?: number;
  /** Of this many one is done at once. */
  atOnce?: number;
  /** Both ends map all memory, and may share a copy. */
  shared?: boolean;
  rendezvous?: RendezvousPreference;
  /** By flow. */
  credit?: readonly CreditLimits[];
}

const SHARED_SCHEMES: readonly OneSidedScheme[] = ['share', 'get'];

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

interface Exported {
  owner: number;
  peer: number;
  bytes: Uint8Array;
  purpose: Purpose;
  revoked: boolean;
}

/** A pull or push under way. */
interface Operation {
  from: number;
  to: number;
  local: Uint8Array;
  polls: number;
  run: () => MpiError | null;
  done: Done;
}

/** Everything that the ranks share. */
export class Simulation {
  readonly options: Required<SimulationOptions>;
  readonly random: Random;
  readonly transports: SimulatedTransport[];
  readonly engines: Engine[];
  readonly exported = new Map<number, Exported>();
  readonly operations: Operation[] = [];
  /** What must not happen, and did. */
  readonly offences: string[] = [];
  /** Operations whose buffers must not be touched once they have ended. */
  readonly requests: StartedRequest[] = [];
  /** Pulls and pushes that were begun, and exports. */
  /** Called before bytes move. */
  onMove: (rank: number) => void = () => {};
  readonly counts = { pulled: 0, pushed: 0, exported: 0, revoked: 0 };
  #nextKey = 1;

  constructor(options: SimulationOptions) {
    this.options = {
      ranks: 2,
      maxBody: 32,
      eagerBytes: 100,
      segmentBytes: 64,
      schemes: ['get', 'put'],
      room: 6,
      burst: 1,
      exportFails: 0,
      beginFails: 0,
      moveFails: 0,
      atOnce: 0,
      shared: false,
      rendezvous: 'auto',
      credit: CREDIT_LIMITS,
      ...options,
      ...(options.shared && {
        schemes: SHARED_SCHEMES,
        segmentBytes: Number.POSITIVE_INFINITY,
        atOnce: 1,
      }),
    };
    this.random = options.random;
    const ranks = Array.from({ length: this.options.ranks }, (_, rank) => rank);
    this.transports = ranks.map((rank) => new SimulatedTransport(this, rank));
    this.engines = ranks.map(
      (rank) =>
        new Engine({
          rank,
          size: ranks.length,
          self: new SelfTransport(rank),
          node: this.transports[rank],
          spinPolls: 1,
          spinMs: 1,
          singleCopy: 'auto',
          rendezvous: this.options.rendezvous,
          credit: this.options.credit,
        }),
    );
  }

  chance(oneOf: number): boolean {
    return oneOf > 0 && this.random.below(oneOf) === 0;
  }

  export(owner: number, peer: number, bytes: Uint8Array, purpose: Purpose): number {
    const key = this.#nextKey++;
    this.exported.set(key, { owner, peer, bytes, purpose, revoked: false });
    this.counts.exported++;
    return key;
  }

  revoke(owner: number, key: number): void {
    const entry = this.exported.get(key);
    if (entry === undefined || entry.owner !== owner) this.offences.push(`no access ${key}`);
    else if (entry.revoked) this.offences.push(`access ${key} is revoked twice`);
    else {
      entry.revoked = true;
      this.counts.revoked++;
    }
  }

  /** The memory behind an access; an offence where it is not reachable any more. */
  reach(key: number, by: number, purpose: Purpose): Uint8Array | null {
    const entry = this.exported.get(key);
    if (entry === undefined || entry.peer !== by || entry.purpose !== purpose) return null;
    if (entry.revoked) this.offences.push(`access ${key} is used after it was revoked`);
    return entry.bytes;
  }

  /** Bytes are about to move between memory of operations that must still be under way. */
  check(...memories: Uint8Array[]): void {
    for (const { buffer } of memories)
      if (
        this.requests.some(
          (request) =>
            request instanceof Request && request.bytes.buffer === buffer && request.done,
        )
      )
        this.offences.push('memory of an operation that has ended is touched');
  }

  /** What is exported and was not revoked. */
  get open(): number {
    return [...this.exported.values()].filter(({ revoked }) => !revoked).length;
  }

  /** Lets pulls and pushes that a rank has under way come nearer to their end. */
  advance(rank: number): void {
    for (const operation of [...this.operations]) {
      if (operation.from !== rank || --operation.polls > 0) continue;
      this.operations.splice(this.operations.indexOf(operation), 1);
      operation.done(operation.run());
    }
  }

  /** The connection between two ranks breaks: what is under way ends with an error, then both are told. */
  lose(a: number, b: number, cause?: MpiError): void {
    const broken = new MpiError('ERR_PEER_FAILED', 'the connection broke', {});
    for (const [one, other] of [
      [a, b],
      [b, a],
    ]) {
      this.transports[one].breakFrom(other);
      for (const operation of this.operations.filter((o) => o.from === one && o.to === other)) {
        this.operations.splice(this.operations.indexOf(operation), 1);
        operation.done(broken);
      }
    }
    this.engines[a].onPeerError(b, cause ?? broken);
    this.engines[b].onPeerError(a, broken);
  }

  /** Lets all ranks make progress in random order. */
  step(): void {
    const ranks = this.engines.map((_, rank) => rank);
    while (ranks.length > 0)
      this.engines[ranks.splice(this.random.below(ranks.length), 1)[0]].progress();
  }

  close(): void {
    for (const engine of this.engines) engine.loop.close();
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

  tryTake(kind: number, context: number, tag: number, to: Uint8Array): number {
    const [packet] = this.inbound;
    if (packet === undefined) return TOOK_NOTHING;
    const fits = packet.kind === kind && packet.context === context && packet.length <= to.length;
    if (packet.extended || !fits || (tag !== packet.tag && tag !== -1)) return TOOK_OTHER;
    this.inbound.shift();
    packet.copyTo(to, 0);
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

class SimulatedTransport implements Transport {
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
