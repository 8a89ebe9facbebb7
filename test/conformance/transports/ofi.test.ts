/** libfabric over TCP on the loopback interface: the suite of all transports. */
import { describe } from 'vitest';
import { ofi } from '../../../native/ofi.ts';
import { OfiGroup } from './ofi-group.ts';
import { conformance } from './suite.ts';

const missing = process.env.CI === 'true' ? '' : ofi().ofiLoad();

describe.skipIf(missing !== '')(`libfabric ${missing}`, () => {
  conformance(
    'ofi, the last of three to the first',
    () => {
      const group = new OfiGroup(3);
      group.meet(2, 0);
      return {
        a: group.transports[2],
        b: group.transports[0],
        rankA: 2,
        rankB: 0,
        exposable: (length) => [new Uint8Array(length)],
        close: () => group.close(),
      };
    },
    { separate: true },
  );
});
