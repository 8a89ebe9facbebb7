/** Operations on control lines that were started. */
import { ANY_SOURCE, ANY_TAG } from '../../../base/constants.ts';
import type { MpiError } from '../../../base/error.ts';
import type { WaitedOperation } from '../../../messaging/deadlock/waits.ts';
import { PENDING } from '../../../messaging/operation.ts';
import { ManualRequest } from '../../point-to-point/manual-request.ts';
import type { Lines } from './lines.ts';
import type { LineOperation } from './operation.ts';

const NOBODYS = { isSend: false, peer: ANY_SOURCE, tag: ANY_TAG, length: 0 };

export class LineRequest<R> extends ManualRequest<R> {
  readonly #operation: LineOperation;
  readonly #value: R;

  /** Begins the operation. @param value what it ends with */
  constructor(lines: Lines, operation: LineOperation, value: R) {
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
  }

  override get result(): R {
    return this.#value;
  }

  override describe(): WaitedOperation {
    return this.#operation.waits().operations[0] ?? super.describe();
  }

  override waits(): { mode: 'all'; operations: WaitedOperation[] } {
    return this.#operation.waits();
  }
}
