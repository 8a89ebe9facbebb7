/**
 * A cache whose monitor tells of nothing: what rule R8 forbids, and what tests compare with. It
 * proves that a test bites: with it the same test must show wrong bytes.
 */
import { NoneMonitor } from '../../../runtime/memory/monitors/none.ts';

export class NaiveMonitor extends NoneMonitor {
  override readonly name = 'naive';
  override readonly caches = true;

  constructor(slots = 4096) {
    super(slots);
  }
}
