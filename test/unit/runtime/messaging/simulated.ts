/**
 * A transport within this process that is slow, small and unreliable on purpose: packets come late,
 * there is hardly any room, and what is pulled or pushed is under way for some polls. Everything random
 * comes from a seed. It watches over what the protocol must never do with exported memory.
 */
import { MpiError } from '../../../../runtime/base/error.ts';
import type { Engine } from '../../../../runtime/messaging/engine.ts';
import { CREDIT_LIMITS, type CreditLimits } from '../../../../runtime/messaging/flow/credit.ts';
import type { RendezvousPreference } from '../../../../runtime/messaging/rendezvous/cost-model.ts';
import { Request } from '../../../../runtime/mpi/point-to-point/request.ts';
import type { StartedRequest } from '../../../../runtime/mpi/point-to-point/started-request.ts';
import { SelfTransport } from '../../../../transports/self/transport.ts';
import type { Done, OneSidedScheme, Purpose } from '../../../../transports/transport.ts';
import { BareEngine } from '../../../tools/bare-engine.ts';
import type { Random } from '../../../tools/random.ts';
import { SimulatedTransport } from './simulated-transport.ts';

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
        new BareEngine({
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
