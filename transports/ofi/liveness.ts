/**
 * Whether peers are there, while no packet comes that would show it. libfabric says nothing of a connection that idles. Where
 * the provider is one over TCP, its connections are looked at: a peer's machine answers for it while the peer computes, or is
 * stopped. Of other providers only an operation shows that a peer is gone.
 */
import { constants } from 'node:os';
import { TCP, type Tcp, type TcpConnection, type TcpEnd, tcpText } from '../../native/tcp.ts';
import { MpiError } from '../../runtime/base/error.ts';
import type { PacketChannel } from '../packets/channel.ts';
import { CONTROL } from '../packets/layout.ts';
import { HEARTBEAT_MS, type LivenessWatch } from '../packets/transport.ts';
import type { OfiQueue } from './device/queue.ts';

/** Milliseconds for which nothing may come from a peer's machine. Then the peer has failed. */
export const OFI_SILENCE_MS = 3500;
/** Milliseconds for which there may be no connection with a peer. Then it cannot be reached. */
export const OFI_UNREACHABLE_MS = 4000;
/** Milliseconds for which what goes to a peer may be sent in vain again and again. */
export const OFI_REPEATS_MS = 2500;
/** Milliseconds that a connection has that no peer has made: it may be one of a peer that is about to say who it is. */
export const OFI_STRANGER_MS = 10_000;
/** Such connections at one time; beyond that those go first that came first. */
export const OFI_STRANGERS_MAX = 64;
const KEEP_ALIVE_SECONDS = 1;
/** After these the kernel ends the connection; a rank that looks has ended it before. */
const KEEP_ALIVE_PROBES = 10;

const { ECONNRESET, EHOSTUNREACH, ETIMEDOUT } = constants.errno;

export type OfiChannel = PacketChannel<OfiQueue>;

/** What is known of the connections with one peer. */
interface Watched {
  channel: OfiChannel;
  /** Where the peer listens. */
  where: TcpEnd;
  since: number;
  /** Whether the last look has found no connection. */
  missed: boolean;
  /** Whether the peer knows the port that our connection comes from. */
  told: boolean;
  /** Since when something is sent again and again, and what the peer has had by then. */
  stuck: { since: number; acknowledged: number } | null;
}

/** What a peer tells of its connection in place of the port that it comes from. */
const LINK = { unknown: 0, none: -1 } as const;

/** Connections, by where the other end is. */
class Found {
  readonly #byPeer = new Map<string, TcpConnection[]>();
  /** Those that others have made, by the other end's address alone. */
  readonly #accepted = new Map<string, TcpConnection[]>();
  readonly accepted: TcpConnection[] = [];

  constructor(all: readonly TcpConnection[], listens: TcpEnd) {
    for (const one of all) {
      push(this.#byPeer, `${one.peer.ip} ${one.peer.port}`, one);
      if (one.own.port !== listens.port) continue;
      push(this.#accepted, one.peer.ip, one);
      this.accepted.push(one);
    }
  }

  made({ ip, port }: TcpEnd): readonly TcpConnection[] {
    return this.#byPeer.get(`${ip} ${port}`) ?? [];
  }

  /** Those that a peer has made, or may have made: see {@link LINK}. */
  of({ ip }: TcpEnd, link: number): readonly TcpConnection[] {
    const all = this.#accepted.get(ip) ?? [];
    return link === LINK.unknown ? all : all.filter(({ peer }) => peer.port === link);
  }
}

function push<T>(map: Map<string, T[]>, key: string, one: T): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [one]);
  else list.push(one);
}

const isSilent = ({ silentMs }: TcpConnection) => silentMs > OFI_SILENCE_MS;

/** The peer's machine may be heard and not hear: it says nothing of what it is sent. */
function isStuck(watched: Watched, all: readonly TcpConnection[], time: number): boolean {
  const one = all.find(({ repeats }) => repeats > 0);
  if (one === undefined) watched.stuck = null;
  else if (watched.stuck?.acknowledged !== one.acknowledged)
    watched.stuck = { since: time, acknowledged: one.acknowledged };
  return watched.stuck !== null && time - watched.stuck.since > OFI_REPEATS_MS;
}

export class OfiLiveness implements LivenessWatch {
  /** Where this rank listens; null: not at an IP address. */
  readonly #listens: TcpEnd | null;
  readonly #name: string;
  readonly #now: () => number;
  readonly #tcp: Tcp;
  /** Connections that nobody claims, by the other end, and since when. */
  #strangers = new Map<string, number>();
  readonly #watched = new Map<number, Watched>();
  #lookedAt = 0;

  constructor(name: string, listens: TcpEnd | null, now: () => number, tcp = TCP) {
    this.#name = name;
    this.#listens = listens;
    this.#now = now;
    this.#tcp = tcp;
  }

  watch(channel: OfiChannel, where: TcpEnd | null): void {
    if (where === null || this.#listens === null) return;
    const since = this.#now();
    const watched = { channel, where, since, missed: false, told: false, stuck: null };
    this.#watched.set(channel.peer, watched);
  }

  look(): void {
    const time = this.#now();
    if (this.#listens === null || time - this.#lookedAt < HEARTBEAT_MS) return;
    this.#lookedAt = time;
    const found = this.#find();
    for (const watched of this.#watched.values())
      if (watched.channel.state === 'ready' || watched.channel.state === 'connecting')
        this.#judge(watched, found, time);
    this.#endStrangers(found, time);
  }

  /** Nothing of a peer comes any more. */
  end(peer: number): void {
    const watched = this.#watched.get(peer);
    if (watched === undefined) return;
    this.#watched.delete(peer);
    if (watched.channel.state === 'left') return;
    const found = this.#find();
    const { where, channel } = watched;
    // Without a link it may be the connection of another rank there.
    const theirs = channel.link === LINK.unknown ? [] : found.of(where, channel.link);
    for (const { fd } of [...this.#ours(found, where), ...theirs]) this.#tcp.shutdown(fd);
  }

  #find(): Found {
    return new Found(this.#tcp.connections(), this.#listens as TcpEnd);
  }

  /** What this rank has made. Ranks of one process would see each other's. */
  #ours(found: Found, where: TcpEnd): TcpConnection[] {
    return found.made(where).filter(({ own }) => own.port !== this.#listens?.port);
  }

  #judge(watched: Watched, found: Found, time: number): void {
    const { channel, where } = watched;
    const made = this.#ours(found, where).filter(({ established }) => established);
    const theirs = found.of(where, channel.link).filter(({ established }) => established);
    const all = [...made, ...theirs];
    if (all.length > 0 && (all.every(isSilent) || isStuck(watched, all, time)))
      this.#fail(channel, where, 'does not answer: the network or that machine is down', ETIMEDOUT);
    else if (all.length > 0) {
      watched.missed = false;
      for (const { fd } of all) this.#tcp.keepAlive(fd, KEEP_ALIVE_SECONDS, KEEP_ALIVE_PROBES);
      const link = made.length > 0 ? made[0].own.port : LINK.none;
      watched.told ||= channel.control(CONTROL.link, link);
    } else if (channel.state === 'ready') {
      // What came before the end is taken first.
      if (watched.missed)
        this.#fail(channel, where, 'has closed its connection, as when it ends', ECONNRESET);
      watched.missed = true;
    } else if (time - watched.since > OFI_UNREACHABLE_MS) this.#unreachable(channel, where);
  }

  /** Ends what others have begun and no peer needs. */
  #endStrangers(found: Found, time: number): void {
    const claimed = new Set<TcpConnection>();
    for (const { channel, where } of this.#watched.values())
      for (const one of found.of(where, channel.link)) claimed.add(one);
    const strangers = found.accepted
      .filter((one) => one.established && !claimed.has(one))
      .map((one) => ({ one, since: this.#strangers.get(tcpText(one.peer)) ?? time }))
      .sort((a, b) => b.since - a.since);
    const stay = strangers.filter(({ since }) => time - since <= OFI_STRANGER_MS);
    for (const { one } of [...strangers.slice(stay.length), ...stay.splice(OFI_STRANGERS_MAX)])
      this.#tcp.shutdown(one.fd);
    this.#strangers = new Map(stay.map(({ one, since }) => [tcpText(one.peer), since]));
  }

  #fail(channel: OfiChannel, where: TcpEnd, what: string, errno: number): void {
    const text = `${this.#name}: the peer at ${tcpText(where)} ${what}`;
    channel.fail(new MpiError('ERR_PEER_FAILED', text, { errno }));
  }

  #unreachable(channel: OfiChannel, where: TcpEnd): void {
    const { peer } = channel;
    const text = `${this.#name}: no connection with rank ${peer} at ${tcpText(where)} in ${OFI_UNREACHABLE_MS / 1000} s: let firewalls pass TCP between the job's machines, or name another interface (DREG_OFI_INTERFACE)`;
    channel.fail(new MpiError('ERR_UNREACHABLE', text, { peer, errno: EHOSTUNREACH }));
  }
}
