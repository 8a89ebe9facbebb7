/** A monitor and a domain that cost nothing: what is measured over them is the manager's own work. */
import type { Domain, DomainPort, Operation } from '../../../runtime/memory/domain.ts';
import { NoneMonitor } from '../../../runtime/memory/monitors/none.ts';

export class FreeMonitor extends NoneMonitor {
  override readonly name = 'free';
  override readonly caches = true;

  constructor() {
    super(2 ** 20);
  }
}

export class FreeDomain implements Domain {
  readonly name = 'free';
  posted = 0;

  attach(): DomainPort {
    let keys = 0;
    return {
      name: 'free',
      regionsMax: 2 ** 20,
      regionBytesMax: 2 ** 30,
      plain: true,
      deregisterWhilePosted: true,
      register: () => keys++ & 0xfffff,
      deregister: () => 0,
      post: (_operation: Operation) => {
        this.posted += 1;
        return 0;
      },
      piece: () => undefined,
      close() {},
    };
  }
}
