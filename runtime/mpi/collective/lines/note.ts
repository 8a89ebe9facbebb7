/** A call that goes by messages, in the order of those on control lines: whoever makes another one in its place sees it. */
import { LineOperation } from './operation.ts';

export class LineNote extends LineOperation {
  protected write(): void {}
  protected take(): void {}
}
