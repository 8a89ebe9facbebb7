/** The monitor that watches nothing: with it, memory is registered for each operation (rule R8). */
import { SHARED } from '../../../native/dreg.ts';
import type { Monitor } from '../monitor.ts';
import { type Layout, quietLayout } from './layout.ts';

export class NoneMonitor implements Monitor {
  readonly name: string = 'none';
  readonly caches: boolean = false;
  readonly slots: number;
  readonly header: Int32Array;
  readonly deltaIndex = SHARED.userDelta;
  readonly busyIndex = SHARED.reserved;
  readonly flags: Uint8Array;
  readonly ring: Uint32Array;
  readonly wakeFd = -1;
  readonly fenceAlways = false;

  constructor(slots = 1) {
    const layout: Layout = quietLayout(slots);
    this.slots = slots;
    this.header = layout.header;
    this.flags = layout.flags;
    this.ring = layout.ring;
  }

  monitor(_slot: number, _address: number, _length: number): number {
    return 0;
  }

  unmonitor(_slot: number): number {
    return 0;
  }

  unmonitorBatch(_slots: Uint32Array, count: number, fired: Uint8Array): number {
    fired.fill(0, 0, count);
    return count;
  }

  drain(_reasons: Float64Array): void {}

  fence(): void {}

  close(): void {}
}
