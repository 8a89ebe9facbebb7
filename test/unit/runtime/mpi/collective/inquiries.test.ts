import { expect, test } from 'vitest';
import type { MpiError } from '../../../../../runtime/base/error.ts';
import { CALL_FREED } from '../../../../../runtime/messaging/wire.ts';
import type { Call } from '../../../../../runtime/mpi/collective/call.ts';
import { Inquiries } from '../../../../../runtime/mpi/collective/inquiries.ts';
import { plainSignature } from '../../../../../runtime/mpi/collective/signature.ts';
import type { Endpoint } from '../../../../../runtime/mpi/point-to-point/endpoint.ts';

const PEER = 1;
const NUMBER = 1;

/** A rank that waits for another one in its first call on a communicator, and what becomes of that. */
function waiting(asked: number) {
  const library = { questions: [], calls: null };
  const engine = { rank: 0, questions: { last: asked }, sendAbout: () => {} };
  const members = { size: 2, worldOf: (rank: number) => rank };
  const endpoint = { engine, library, members, name: 'a communicator', context: 2, pair: null };
  const ledger = {
    endpoint: endpoint as unknown as Endpoint,
    endpoints: [endpoint as unknown as Endpoint],
    begun: NUMBER,
    hasBegun: (number: number) => number <= NUMBER,
    find: () => undefined,
  };
  const inquiries = new Inquiries(ledger);
  const failed: MpiError[] = [];
  inquiries.enter({
    call: { number: NUMBER, signature: plainSignature('barrier'), tag: 0 } as Call,
    abandon: (error) => failed.push(error),
    waitsFor: () => true,
    place: () => '',
  });
  return { inquiries, failed };
}

test('an answer that says that the communicator was freed ends the call', () => {
  const { inquiries, failed } = waiting(7);
  inquiries.onTold(PEER, NUMBER, CALL_FREED, '', 8);
  expect(failed.map(({ code }) => code)).toEqual(['ERR_MISMATCH']);
});

test.each([
  { asked: 7, answered: 7 },
  { asked: 7, answered: 3 },
  { asked: -(2 ** 31), answered: 2 ** 31 - 1 },
])(
  'an answer about a communicator before this one, of the same number, ends nothing: $answered',
  ({ asked, answered }) => {
    const { inquiries, failed } = waiting(asked);
    inquiries.onTold(PEER, NUMBER, CALL_FREED, '', answered);
    expect(failed).toEqual([]);
  },
);
