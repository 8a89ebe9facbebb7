/** Operations on control lines that were started. */
import { ANY_SOURCE, ANY_TAG } from '../../../base/constants.ts';
import type { CallSite } from '../../../messaging/deadlock/call-site.ts';
import type { WaitedOperation } from '../../../messaging/deadlock/waits.ts';
import { COMPLETE } from '../../../messaging/operation.ts';
import { ManualRequest } from '../../point-to-point/manual-request.ts';
import { type Owner, StartedRequest } from '../../point-to-point/started-request.ts';
import { Status } from '../../point-to-point/status.ts';
import { type Begun, ScheduledRequest } from '../schedule.ts';
import type { Lines } from './lines.ts';
import type { LineOperation } from './operation.ts';

/** Polls before the place of a started call is noted, which costs more than most short operations take. */
const SITE_POLLS = 50;

const NOBODYS = { isSend: false, peer: ANY_SOURCE, tag: ANY_TAG, length: 0 };

/** A call that had ended when it was started. */
export class EndedCall<R> extends StartedRequest<R> {
  readonly owner: Owner;
  readonly result: R;
  readonly isSend = false;
  readonly peer = ANY_SOURCE;
  readonly tag = ANY_TAG;
  readonly length = 0;
  told = false;

  /** @internal */
  constructor(owner: Owner, result: R) {
    super();
    this.owner = owner;
    this.result = result;
  }

  get state(): number {
    return COMPLETE;
  }

  get error(): null {
    return null;
  }

  get status(): Status {
    return new Status();
  }

  tell(): void {
    this.told = true;
  }

  waitForEnd(): void {}

  whenEnded(listener: () => void): void {
    listener();
  }
}

interface Endings<R> {
  /** What the operation ends with. */
  result(): R;
  /** The same by messages, where the ranks have no memory for it. */
  byMessages(): Begun<R>;
}

export class LineRequest<R> extends ManualRequest<R> {
  readonly #lines: Lines;
  readonly #operation: LineOperation;
  readonly #endings: Endings<R>;
  /** What it has become. */
  #messages: ScheduledRequest<R> | null = null;

  constructor(lines: Lines, operation: LineOperation, endings: Endings<R>) {
    super(lines.endpoint, NOBODYS, () => undefined as R);
    this.#lines = lines;
    this.#operation = operation;
    this.#endings = endings;
  }

  /** The operation has begun. */
  goOn(): void {
    const operation = this.#operation;
    const { endpoint } = this.#lines;
    const { loop } = endpoint.engine;
    this.#lines.look(operation, SITE_POLLS);
    if (operation.declined) this.#goByMessages();
    else if (operation.isOver) {
      this.end(operation.error);
      this.#lines.allowRun();
    } else {
      // Not at once: whoever makes progress is in the middle of it.
      operation.settled = () => {
        if (operation.declined) endpoint.engine.later(() => this.#goByMessages());
        else this.end(operation.error);
      };
      endpoint.beginUse();
      loop.track();
      this.whenEnded(() => {
        endpoint.endUse();
        loop.untrack();
      });
    }
  }

  #goByMessages(): void {
    const request = new ScheduledRequest<R>(this.#lines.endpoint);
    this.#messages = request;
    request.begin(() => this.#endings.byMessages());
    this.#operation.running?.leave(null);
    request.whenEnded(() => {
      // The program hears of this request alone.
      request.tell();
      this.end(request.error);
    });
  }

  override get result(): R {
    return this.#messages === null ? this.#endings.result() : this.#messages.result;
  }

  override get site(): CallSite | null {
    return this.#messages?.site ?? this.#operation.running?.site ?? null;
  }

  override describe(): WaitedOperation {
    return this.waits().operations[0] ?? super.describe();
  }

  get asksAfterMs(): number {
    return (this.#messages ?? this.#operation).asksAfterMs;
  }

  stalled(): void {
    (this.#messages ?? this.#operation).stalled();
  }

  override waits(): { mode: 'all'; operations: WaitedOperation[] } {
    return (this.#messages ?? this.#operation).waits();
  }
}
