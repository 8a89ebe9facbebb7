/**
 * Messages whose bytes one end moves by itself, segment by segment: the receiver reads what the sender
 * exports (get), or the sender writes to what the receiver exports (put). What an end does is the same
 * in both: it exports segments, or it moves them through a pipeline.
 *
 * While one segment is moved the next ones are exported, so that registering memory and moving bytes
 * overlap. What is exported stays so until the other end says that it is done with it.
 */
import type { Channel, Purpose, RemoteAccess } from '../../../transports/transport.ts';
import { ACCESS_NONE, EXTENSION_WORDS, newRemoteAccess } from '../../../transports/transport.ts';
import { NO_BYTES } from '../../base/bytes.ts';
import { MpiError } from '../../base/error.ts';
import type { Operation } from '../operation.ts';
import type { Peer, Stream } from '../peer.ts';
import { longOf, putLong, SEGMENT_WORD } from '../wire.ts';

/** Segments of one message that are exported at one time. */
export const EXPORTED_SEGMENTS_MAX = 4;
/** Segments of one message that are read or written at one time. */
export const MOVED_SEGMENTS_MAX = 2;

/** The bytes [start, start + bytes) of a message, and how to reach them at the other end. */
export interface Segment {
  start: number;
  bytes: number;
  access: RemoteAccess;
}

/** What a SEGMENT or TARGET says; its access is ACCESS_NONE where there will be no more. */
export function segmentOf(words: Int32Array): Segment {
  return {
    start: longOf(words, SEGMENT_WORD.startLow, SEGMENT_WORD.startHigh),
    bytes: words[SEGMENT_WORD.bytes],
    access: {
      kind: words[SEGMENT_WORD.kind],
      low: words[SEGMENT_WORD.accessLow],
      high: words[SEGMENT_WORD.accessHigh],
      key: words[SEGMENT_WORD.key],
      hold: null,
    },
  };
}

function putSegment(words: Int32Array, { start, bytes, access }: Segment): void {
  words[SEGMENT_WORD.bytes] = bytes;
  words[SEGMENT_WORD.kind] = access.kind;
  words[SEGMENT_WORD.accessLow] = access.low;
  words[SEGMENT_WORD.accessHigh] = access.high;
  words[SEGMENT_WORD.key] = access.key;
  putLong(words, SEGMENT_WORD.startLow, SEGMENT_WORD.startHigh, start);
}

/** The end that has the memory. It exports segments one after the other, a few ahead of the other end. */
export class ExportedSegments implements Stream {
  readonly request: Operation;
  readonly #peer: Peer;
  readonly #length: number;
  readonly #purpose: Purpose;
  readonly #kind: number;
  /** The other end's transfer id. */
  readonly #id: number;
  /** Exported and not taken yet, oldest first. */
  readonly #open: RemoteAccess[] = [];
  /** The first byte that no segment covers yet. */
  #end = 0;
  #unsent: Segment | null = null;
  #stopped = false;
  #streaming = false;

  constructor(
    peer: Peer,
    request: Operation,
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

  /** The first byte that was never exported. */
  get end(): number {
    return this.#end;
  }

  /** A segment that was exported, and told, before: it begins at 0 and ends at `end`. */
  adopt(access: RemoteAccess, end: number): void {
    this.#open.push(access);
    this.#end = end;
  }

  /** Begins with the segment that holds the byte at `position`. */
  skipTo(position: number): void {
    const { segmentBytes } = this.#peer.channel;
    this.#end =
      segmentBytes < this.#length ? Math.floor(position / segmentBytes) * segmentBytes : 0;
  }

  /** Exports the segment that holds the byte at `position`; null where that cannot be. */
  begin(position: number): Segment | null {
    this.skipTo(position);
    const segment = this.#export();
    return segment.access.kind === ACCESS_NONE ? null : segment;
  }

  #export(): Segment {
    const { request } = this;
    const start = this.#end;
    const bytes = Math.min(this.#peer.channel.segmentBytes, this.#length - start);
    const access = newRemoteAccess();
    // A buffer that was taken away is exported no further. The other end then asks for packets.
    const whole = request.intact;
    const { channel } = this.#peer;
    if (whole && channel.exportMemory(request.bytes, start, bytes, this.#purpose, access)) {
      this.#open.push(access);
      this.#end = start + bytes;
    } else this.#stopped = true;
    return { start, bytes, access };
  }

  /** There are segments to export, or to tell of, as far as the other end has caught up. */
  get #more(): boolean {
    if (this.#unsent !== null) return true;
    return !this.#stopped && this.#end < this.#length && this.#open.length < EXPORTED_SEGMENTS_MAX;
  }

  /**
   * Exports the segments that may be exported, and tells of them. True: nothing to do until {@link taken}.
   */
  stream(): boolean {
    // The packet that began the transfer must not be overtaken.
    if (this.#peer.holdsControls) return false;
    while (this.#more) {
      this.#unsent ??= this.#export();
      const words = new Int32Array(EXTENSION_WORDS);
      putSegment(words, this.#unsent);
      const { channel } = this.#peer;
      if (!channel.trySendExtended(this.#kind, 0, this.#id, words, NO_BYTES, 0, 0)) return false;
      this.#unsent = null;
    }
    this.#streaming = false;
    return true;
  }

  /** Goes on. True: it waits for room, and the peer has to be marked as busy. */
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
    this.#peer.channel.revoke(oldest);
  }

  /** Ends it: no segment of the message is exported any more. */
  close(): void {
    this.#stopped = true;
    this.#unsent = null;
    for (const access of this.#open.splice(0)) this.#peer.channel.revoke(access);
    if (!this.#streaming) return;
    this.#streaming = false;
    this.#peer.streams.remove(this);
  }
}

/** What is told how the moving goes. */
export interface PipelineObserver {
  /** The next segment in order was moved, and it is not the last. */
  moved(): void;
  /**
   * No operation is under way any more. The message is there up to `position`. The rest must come by
   * another scheme; with an error it cannot come at all.
   */
  ended(position: number, error: MpiError | null): void;
}

interface Step {
  readonly end: number;
  done: boolean;
  failed: boolean;
}

/** Whether the message cannot come by any other scheme either. */
function isLost(error: MpiError): boolean {
  return error.code === 'ERR_PROTOCOL' || error.code === 'ERR_PEER_FAILED';
}

/** The end that does not have the memory. It pulls or pushes segments as they become known. */
export class SegmentPipeline {
  readonly #channel: Channel;
  readonly #how: 'pull' | 'push';
  readonly #request: Operation;
  readonly #length: number;
  readonly #queue: Segment[] = [];
  /** In order of their bytes. */
  readonly #underWay: Step[] = [];
  #observer: PipelineObserver | null;
  /** Position up to which segments are known. */
  #known: number;
  /** Up to here moving began. */
  #begun: number;
  /** Position up to which the whole message is there. */
  #moved: number;
  #stopped = false;
  #broken = false;
  #error: MpiError | null = null;
  #going = false;
  #abandoned: (() => void) | null = null;

  constructor(
    channel: Channel,
    how: 'pull' | 'push',
    request: Operation,
    position: number,
    length: number,
    observer: PipelineObserver,
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
   * A further segment is exported at the other end; one of ACCESS_NONE says that none will be.
   * @throws MpiError ERR_PROTOCOL where it cannot be the next one
   */
  add(segment: Segment): void {
    // Sent before the other end knew that there will be no more moves.
    if (this.#stopped) return;
    const { start, bytes } = segment;
    const end = start + bytes;
    const fits = start >= 0 && start <= this.#known && end > this.#known && end <= this.#length;
    const awaited = this.#queue.length + this.#underWay.length < EXPORTED_SEGMENTS_MAX;
    if (!fits || !awaited)
      throw new MpiError(
        'ERR_PROTOCOL',
        `a peer exports ${bytes} bytes from ${start} of a message of ${this.#length}, of which ${this.#known} are known`,
      );
    this.#known = end;
    this.#queue.push(segment);
    this.#go();
  }

  #go(): void {
    if (this.#going) return;
    this.#going = true;
    while (!this.#stopped && this.#queue.length > 0 && this.#underWay.length < MOVED_SEGMENTS_MAX)
      this.#begin(this.#queue.shift() as Segment);
    this.#going = false;
    this.#checkEnd();
  }

  #begin({ start, bytes, access }: Segment): void {
    const request = this.#request;
    if (access.kind === ACCESS_NONE || !request.intact) {
      this.#stopped = true;
      return;
    }
    const from = Math.max(start, this.#begun);
    const step: Step = { end: start + bytes, done: false, failed: false };
    this.#underWay.push(step);
    this.#begun = step.end;
    const at = from - start;
    const count = step.end - from;
    const done = (error: MpiError | null) => this.#ended(step, error);
    try {
      if (this.#channel[this.#how](access, at, request.bytes, from, count, done))
        this.#settle(step);
    } catch (error) {
      this.#fail(step, error as MpiError);
    }
  }

  #ended(step: Step, error: MpiError | null): void {
    if (step.done) return;
    if (error === null) this.#settle(step);
    else this.#fail(step, error);
    this.#go();
  }

  #fail(step: Step, error: MpiError): void {
    step.failed = true;
    this.#stopped = true;
    if (isLost(error)) this.#error ??= error;
    this.#settle(step);
  }

  #settle(step: Step): void {
    step.done = true;
    const underWay = this.#underWay;
    while (underWay.length > 0 && underWay[0].done) {
      const { end, failed } = underWay.shift() as Step;
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

  /** Begins nothing more. `end` is called once no operation is under way; at once where none is. */
  abandon(end: () => void): void {
    this.#observer = null;
    this.#stopped = true;
    this.#queue.length = 0;
    this.#abandoned = end;
    this.#checkEnd();
  }
}
