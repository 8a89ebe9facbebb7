/** Barrier (MPI 4.1, 6.3) in one round: every rank writes its line, and waits for those of all others. */
import { plainSignature } from '../signature.ts';
import type { Lines } from './lines.ts';
import { LineOperation } from './operation.ts';

const SIGNATURE = plainSignature('barrier');

export class LineBarrier extends LineOperation {
  constructor(lines: Lines) {
    super(lines, SIGNATURE);
  }

  write(): void {}
  take(): void {}
}
