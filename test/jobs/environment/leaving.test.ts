/** The end of ranks: in order, too early, and by force. */
import { describe, expect, test } from 'vitest';
import { runJob, runWell } from '../run.ts';

const WAITS = [
  'recvSync',
  'recvSync from any',
  'await recv',
  'await recv from any',
  'sendSync, large',
  'await send, large',
  'sendSync, many',
  'barrierSync',
  'await barrier',
  'what it sent before',
];

describe('a peer that has left is ERR_PEER_FAILED and no hang', () => {
  test.each(WAITS)('%s, while it leaves', (how) =>
    runWell('jobs/environment/programs/left', { ranks: 2, words: [how, 'before'] }),
  );

  test.each(WAITS)('%s, long after', (how) =>
    runWell('jobs/environment/programs/left', { ranks: 2, words: [how, 'after'] }),
  );
});

test('operations that nobody completes are ERR_PENDING at MPI.finalize() and no hang', () =>
  runWell('jobs/environment/programs/pending', { ranks: 2 }));

test('a program may end without MPI.finalize()', () =>
  runWell('jobs/environment/programs/unfinished', { ranks: 2 }));

test('a program may end by process.exit(0)', () =>
  runWell('jobs/environment/programs/unfinished', { ranks: 2, words: ['process.exit'] }));

test.each([
  ['SIGKILL', 137],
  ['SIGSEGV', 139],
  ['SIGTERM', 143],
])(
  'a rank that dies of %s in mid-transfer ends the job, and nothing is left',
  async (signal, status) => {
    const job = await runJob('jobs/environment/programs/killed', { ranks: 3, words: [signal] });
    expect({ ...job, stderr: '' }).toEqual({
      status,
      signal: null,
      stdout: 'under way\n',
      stderr: '',
      orphans: [],
      shared: [],
    });
    expect(job.stderr).toContain(signal);
  },
);

test('MPI.abort ends the job with its code', async () => {
  const job = await runJob('jobs/environment/programs/aborts', { ranks: 3 });
  expect({ ...job, stderr: '' }).toMatchObject({ status: 42, orphans: [], shared: [] });
  expect(job.stderr).toContain('MPI.abort(42) on rank 1');
});

test('a rank that throws ends the job', async () => {
  const job = await runJob('jobs/environment/programs/aborts', { ranks: 3, words: ['throw'] });
  expect({ ...job, stderr: '' }).toMatchObject({ status: 1, orphans: [], shared: [] });
  expect(job.stderr).toContain('thrown on purpose');
});
