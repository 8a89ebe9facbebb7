/** A simulated space, monitor and domain with a manager over them. */
import type { Limits } from '../../../../../runtime/memory/limits.ts';
import { PinnedMemoryManager } from '../../../../../runtime/memory/manager.ts';
import { SimulatedDomain, type SimulatedDomainOptions, type SimulatedOperation } from './domain.ts';
import { SimulatedMonitor, type SimulatedMonitorOptions } from './monitor.ts';
import { AddressSpace, PAGE } from './space.ts';

/** Where tests place their buffers. */
export const ARENA = 0x10_0000;

export interface WorldOptions extends SimulatedMonitorOptions, SimulatedDomainOptions {
  limits?: Limits;
}

export class World {
  readonly space = new AddressSpace();
  readonly monitor: SimulatedMonitor;
  readonly domain: SimulatedDomain;
  readonly manager: PinnedMemoryManager<SimulatedOperation>;
  readonly notices: string[] = [];

  constructor(options: WorldOptions = {}) {
    this.monitor = new SimulatedMonitor(this.space, options);
    this.domain = new SimulatedDomain(this.space, options);
    this.manager = new PinnedMemoryManager<SimulatedOperation>({
      monitor: this.monitor,
      domain: this.domain,
      limits: options.limits ?? { bytes: 2 ** 40 },
      audit: true,
      notice: (line) => this.notices.push(line),
      addressOf: (view) => this.space.addressOf(view),
    });
  }

  /** A buffer of so many bytes at `offset` bytes into page `page` of the arena, freshly mapped. */
  buffer(page: number, bytes: number, offset = 0): ArrayBuffer {
    const buffer = new ArrayBuffer(bytes);
    const start = ARENA + page * PAGE;
    this.space.map(start, start + Math.ceil((offset + bytes) / PAGE) * PAGE);
    this.space.place(buffer, start + offset);
    return buffer;
  }

  view(page: number, bytes: number, offset = 0): Uint8Array {
    return new Uint8Array(this.buffer(page, bytes, offset));
  }

  /** Unmaps pages [from, to) of the arena. */
  unmap(from: number, to: number): void {
    this.space.unmap(ARENA + from * PAGE, ARENA + to * PAGE);
  }

  /** Gives pages [from, to) other contents behind the same addresses. */
  renew(from: number, to: number): void {
    this.space.renew(ARENA + from * PAGE, ARENA + to * PAGE);
  }

  /** Acquires, posts the whole view and releases. Answers the bytes moved. */
  async transfer(
    view: Uint8Array,
    operation: Partial<SimulatedOperation> = { direction: 'out' },
  ): Promise<number> {
    const lease = this.manager.acquire(view);
    try {
      return await new Promise((resolve, reject) => {
        const answer = this.manager.post({ direction: 'out', ...operation, done: resolve }, lease);
        if (answer < 0) reject(new Error(`post answered ${answer}`));
      });
    } finally {
      lease.release();
    }
  }
}
