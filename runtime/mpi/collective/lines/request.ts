/** Operations on control lines that were started. */
import { ANY_SOURCE, ANY_TAG } from '../../../base/constants.ts';
import type { MpiError } from '../../../base/error.ts';
import type { CallSite } from '../../../messaging/deadlock/call-site.ts';
import type { WaitedOperation } from '../../../messaging/deadlock/waits.ts';
import { PENDING } from '../../../messaging/operation.ts';
import { callSiteOf } from '../../point-to-point/awaited.ts';
import { ManualRequest } from '../../point-to-point/manual-request.ts';
import type { Lines } from './lines.ts';
import type { LineOperation } from './operation.ts';

/** Polls before the place of a started call is noted. */
const SITE_POLLS = 50;

const NOBODYS = { isSend: false, peer: ANY_SOURCE, tag: ANY_TAG, length: 0 };

export class LineRequest<R> extends ManualRequest<R> {
  readonly #operation: LineOperation;
  readonly #value: () => R;

  /** Begins the operation. @param value what it ends with */
  constructor(lines: Lines, operation: LineOperation, value: () => R) {
    const { endpoint } = lines;
    super(endpoint, NOBODYS, () => undefined as R);
    this.#operation = operation;
    this.#value = value;
    const { loop } = endpoint.engine;
    endpoint.beginUse();
    loop.track();
    operation.settled = () => this.end(operation.error);
    this.whenEnded(() => {
      endpoint.endUse();
      loop.untrack();
    });
    try {
      lines.begin(operation);
    } catch (error) {
      if (this.state === PENDING) this.end(error as MpiError);
    }
    // To note the place costs more than most short operations take.
    const { spins } = endpoint.engine.shared;
    for (let polls = spins ? SITE_POLLS : 0; this.state === PENDING && polls > 0; polls--)
      lines.poll();
    if (this.state === PENDING) operation.site = callSiteOf(endpoint.engine);
  }

  override get result(): R {
    return this.#value();
  }

  protected override get site(): CallSite | null {
    return this.#operation.site;
  }

  override describe(): WaitedOperation {
    return this.#operation.waits().operations[0] ?? super.describe();
  }

  override waits(): { mode: 'all'; operations: WaitedOperation[] } {
    return this.#operation.waits();
  }
}
