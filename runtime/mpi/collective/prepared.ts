/** A collective call that has not begun. */
import type { Payload } from '../datatype/data.ts';
import type { Schedule } from './schedule.ts';
import type { LineCall } from './select.ts';
import type { Signature } from './signature.ts';

/** A call whose arguments are checked, with views of its memory, and the algorithm that it takes. */
export interface Prepared<Result> {
  readonly signature: Signature;
  /** The place of the algorithm in its table; 0 where there is but one. */
  readonly algorithm: number;
  /** The program's memory: all of it has to be there whenever the call begins. */
  readonly memory: readonly Payload[];
  /** @param tag of its messages */
  schedule(tag: number): Schedule<Result>;
  /** The same without messages, where the ranks have memory in common. */
  readonly line?: LineCall<Result> | undefined;
}
