import { SelfTransport } from '../../../transports/self/transport.ts';
import { conformance } from './suite.ts';

conformance(
  'self',
  () => {
    const self = new SelfTransport(3);
    return {
      a: self,
      b: self,
      rankA: 3,
      rankB: 3,
      exposable: (length) => [new Uint8Array(length)],
      close: () => self.close(),
    };
  },
  { separate: false },
);
