/**
 * Messages whose bytes one end moves by itself, segment by segment: the receiver reads what the sender
 * exposes (get), or the sender writes to what the receiver exposes (put). What an end does is the same
 * in both: it exposes segments, or it moves them.
 *
 * While one segment is moved the next ones are exposed, so that registering memory and moving bytes
 * overlap. What is exposed stays so until the other end says that it is done with it.
 */
import type { Channel, Exposure, Purpose } from '../../../transports/transport.ts';
import { EXPOSED_NOT, EXTENSION_WORDS, newExposure } from '../../../transports/transport.ts';
import { MpiError } from '../../base/error.ts';
import { NO_BYTES } from '../../mpi/point-to-point/buffer.ts';
import type { Request } from '../../mpi/point-to-point/request.ts';
import type { Peer, Stream } from '../peer.ts';
import { longOf, putLong, SEGMENT_WORD } from '../wire.ts';

/** Segments of one message that are exposed at one time. */
export const EXPOSED_SEGMENTS_MAX = 4;
/** Segments of one message that are moved at one time. */
export const MOVES_MAX = 2;

/** The bytes [start, start + bytes) of a message, and how to reach them at the other end. */
export interface Segment {
  start: number;
  bytes: number;
  exposure: Exposure;
}

/** What a SEGMENT or TARGET says; the exposure's scheme is EXPOSED_NOT where there will be no more. */
export function segmentOf(words: Int32Array): Segment {
  return {
    start: longOf(words, SEGMENT_WORD.startLow, SEGMENT_WORD.startHigh),
    bytes: words[SEGMENT_WORD.bytes],
    exposure: {
      scheme: words[SEGMENT_WORD.scheme],
      low: words[SEGMENT_WORD.exposureLow],
      high: words[SEGMENT_WORD.exposureHigh],
      key: words[SEGMENT_WORD.key],
      hold: null,
    },
  };
}

function putSegment(words: Int32Array, { start, bytes, exposure }: Segment): void {
  words[SEGMENT_WORD.bytes] = bytes;
  words[SEGMENT_WORD.scheme] = exposure.scheme;
  words[SEGMENT_WORD.exposureLow] = exposure.low;
  words[SEGMENT_WORD.exposureHigh] = exposure.high;
  words[SEGMENT_WORD.key] = exposure.key;
  putLong(words, SEGMENT_WORD.startLow, SEGMENT_WORD.startHigh, start);
}

/** Where the memory is: its segments are exposed one after the other, a few ahead of the other end. */
export class ExposedSegments implements Stream {
  readonly request: Request;
  readonly #peer: Peer;
  readonly #length: number;
  readonly #purpose: Purpose;
  readonly #kind: number;
  /** The other end's transfer id. */
  readonly #id: number;
  /** Exposed and not taken yet, oldest first. */
  readonly #open: Exposure[] = [];
  /** The first byte that no segment covers yet. */
  #end = 0;
  #unsent: Segment | null = null;
  #stopped = false;
  #streaming = false;

  constructor(
    peer: Peer,
    request: Request,
    length: number,
    purpose: Purpose,
    kind: number,
    id: number,
  ) {
    this.#peer = peer;
    this.request = request;
    this.#length = length;
    this.#purpose = purpose;
    this.#kind = kind;
    this.#id = id;
  }

  /** The first byte that was never exposed. */
  get end(): number {
    return this.#end;
  }

  /** A segment that was exposed, and told, before: it begins at 0 and ends at `end`. */
  adopt(exposure: Exposure, end: number): void {
    this.#open.push(exposure);
    this.#end = end;
  }

  /** Begins with the segment that holds the byte at `position`. */
  skipTo(position: number): void {
    const { segmentBytes } = this.#peer.channel;
    this.#end =
      segmentBytes < this.#length ? Math.floor(position / segmentBytes) * segmentBytes : 0;
  }

  /** Exposes the segment that holds the byte at `position`; null where that cannot be. */
  begin(position: number): Segment | null {
    this.skipTo(position);
    const segment = this.#expose();
    return segment.exposure.scheme === EXPOSED_NOT ? null : segment;
  }

  #expose(): Segment {
    const { request } = this;
    const start = this.#end;
    const bytes = Math.min(this.#peer.channel.segmentBytes, this.#length - start);
    const exposure = newExposure();
    // A buffer that was taken away is exposed no further: the other end then asks for packets.
    const whole = request.bytes.length === request.length;
    const { channel } = this.#peer;
    if (whole && channel.expose(request.bytes, start, bytes, this.#purpose, exposure)) {
      this.#open.push(exposure);
      this.#end = start + bytes;
    } else this.#stopped = true;
    return { start, bytes, exposure };
  }

  /** There is something to expose, or to tell, as far as the other end has caught up. */
  get #more(): boolean {
    if (this.#unsent !== null) return true;
    return !this.#stopped && this.#end < this.#length && this.#open.length < EXPOSED_SEGMENTS_MAX;
  }

  /** Exposes what may be exposed and tells it; true: nothing to do until {@link taken}. */
  stream(): boolean {
    // The packet that began the transfer must not be overtaken.
    if (this.#peer.holdsControls) return false;
    while (this.#more) {
      this.#unsent ??= this.#expose();
      const words = new Int32Array(EXTENSION_WORDS);
      putSegment(words, this.#unsent);
      const { channel } = this.#peer;
      if (!channel.trySendExtended(this.#kind, 0, this.#id, words, NO_BYTES, 0, 0)) return false;
      this.#unsent = null;
    }
    this.#streaming = false;
    return true;
  }

  /** Goes on; true: waits for room, and the peer has to be marked as busy. */
  proceed(): boolean {
    if (this.#streaming || this.stream()) return false;
    this.#streaming = true;
    this.#peer.streams.push(this);
    return true;
  }

  /** The other end needs the oldest segment no longer. @throws MpiError ERR_PROTOCOL: there is none */
  taken(): void {
    const oldest = this.#open.shift();
    if (oldest === undefined)
      throw new MpiError('ERR_PROTOCOL', 'a peer is done with more segments than it was given');
    this.#peer.channel.conceal(oldest);
  }

  /** Ends it: nothing of the message is exposed any more. */
  close(): void {
    this.#stopped = true;
    this.#unsent = null;
    for (const exposure of this.#open.splice(0)) this.#peer.channel.conceal(exposure);
    if (!this.#streaming) return;
    this.#streaming = false;
    const { streams } = this.#peer;
    const at = streams.indexOf(this);
    if (at >= 0) streams.splice(at, 1);
  }
}

/** Who is told how the moving goes. */
export interface MoveObserver {
  /** The next segment in order was moved, and it is not the last. */
  moved(): void;
  /**
   * Nothing is under way any more: the message is there up to `position`. The rest must come in another
   * way; with an error it cannot come at all.
   */
  ended(position: number, error: MpiError | null): void;
}

interface Move {
  readonly end: number;
  done: boolean;
  failed: boolean;
}

/** Whether the message cannot be had in any other way either. */
function isLost(error: MpiError): boolean {
  return error.code === 'ERR_PROTOCOL' || error.code === 'ERR_PEER_FAILED';
}

/** Where the memory is not: segments are pulled or pushed as they become known. */
export class Moves {
  readonly #channel: Channel;
  readonly #how: 'pull' | 'push';
  readonly #request: Request;
  readonly #length: number;
  readonly #queue: Segment[] = [];
  /** In order of their bytes. */
  readonly #underWay: Move[] = [];
  #observer: MoveObserver | null;
  /** Up to here segments are known. */
  #known: number;
  /** Up to here moving began. */
  #begun: number;
  /** Up to here all of it is there. */
  #moved: number;
  #stopped = false;
  #broken = false;
  #error: MpiError | null = null;
  #going = false;
  #abandoned: (() => void) | null = null;

  constructor(
    channel: Channel,
    how: 'pull' | 'push',
    request: Request,
    position: number,
    length: number,
    observer: MoveObserver,
  ) {
    this.#channel = channel;
    this.#how = how;
    this.#request = request;
    this.#known = position;
    this.#begun = position;
    this.#moved = position;
    this.#length = length;
    this.#observer = observer;
  }

  /**
   * A further segment is exposed at the other end; one of the scheme EXPOSED_NOT says that none will be.
   * @throws MpiError ERR_PROTOCOL where it cannot be the next one
   */
  add(segment: Segment): void {
    // Sent before the other end knew that there will be no more moves.
    if (this.#stopped) return;
    const { start, bytes } = segment;
    const end = start + bytes;
    const fits = start >= 0 && start <= this.#known && end > this.#known && end <= this.#length;
    const awaited = this.#queue.length + this.#underWay.length < EXPOSED_SEGMENTS_MAX;
    if (!fits || !awaited)
      throw new MpiError(
        'ERR_PROTOCOL',
        `a peer exposes ${bytes} bytes from ${start} of a message of ${this.#length}, of which ${this.#known} are known`,
      );
    this.#known = end;
    this.#queue.push(segment);
    this.#go();
  }

  #go(): void {
    if (this.#going) return;
    this.#going = true;
    while (!this.#stopped && this.#queue.length > 0 && this.#underWay.length < MOVES_MAX)
      this.#begin(this.#queue.shift() as Segment);
    this.#going = false;
    this.#checkEnd();
  }

  #begin({ start, bytes, exposure }: Segment): void {
    const request = this.#request;
    if (exposure.scheme === EXPOSED_NOT || request.bytes.length !== request.length) {
      this.#stopped = true;
      return;
    }
    const from = Math.max(start, this.#begun);
    const move: Move = { end: start + bytes, done: false, failed: false };
    this.#underWay.push(move);
    this.#begun = move.end;
    const at = from - start;
    const count = move.end - from;
    const done = (error: MpiError | null) => this.#ended(move, error);
    try {
      if (this.#channel[this.#how](exposure, at, request.bytes, from, count, done))
        this.#settle(move);
    } catch (error) {
      this.#fail(move, error as MpiError);
    }
  }

  #ended(move: Move, error: MpiError | null): void {
    if (move.done) return;
    if (error === null) this.#settle(move);
    else this.#fail(move, error);
    this.#go();
  }

  #fail(move: Move, error: MpiError): void {
    move.failed = true;
    this.#stopped = true;
    if (isLost(error)) this.#error ??= error;
    this.#settle(move);
  }

  #settle(move: Move): void {
    move.done = true;
    const underWay = this.#underWay;
    while (underWay.length > 0 && underWay[0].done) {
      const { end, failed } = underWay.shift() as Move;
      if (failed) this.#broken = true;
      if (this.#broken) continue;
      this.#moved = end;
      if (end < this.#length) this.#observer?.moved();
    }
  }

  #checkEnd(): void {
    if (this.#underWay.length > 0) return;
    const abandoned = this.#abandoned;
    this.#abandoned = null;
    abandoned?.();
    if (!this.#stopped && this.#moved < this.#length) return;
    const observer = this.#observer;
    this.#observer = null;
    observer?.ended(this.#moved, this.#error);
  }

  /** Begins nothing more; `end` is called once nothing is under way, at once where nothing is. */
  abandon(end: () => void): void {
    this.#observer = null;
    this.#stopped = true;
    this.#queue.length = 0;
    this.#abandoned = end;
    this.#checkEnd();
  }
}
