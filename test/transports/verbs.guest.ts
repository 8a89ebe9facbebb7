/** RDMA: the suite of all transports over a real device. It needs one, so that it runs in the guest. */
import { conformance } from './conformance.ts';
import { VerbsGroup } from './verbs-group.ts';

function linkOf(ranks: number, a: number, b: number) {
  const group = new VerbsGroup(ranks);
  group.meet(a, b);
  return {
    a: group.transports[a],
    b: group.transports[b],
    rankA: a,
    rankB: b,
    exposable: (length: number) => [new Uint8Array(length)],
    close: () => group.close(),
  };
}

conformance('verbs, two ranks', () => linkOf(2, 0, 1), { separate: true });
conformance('verbs, the last of three to the first', () => linkOf(3, 2, 0), { separate: true });
