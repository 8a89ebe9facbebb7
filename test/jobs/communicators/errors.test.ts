/** `errors = 'abort'`: what fails on the communicator ends the job, and says why. */
import { expect, test } from 'vitest';
import { runJob } from '../run.ts';

const PROGRAM = 'jobs/communicators/programs/aborts';

test.each([
  ['argument', 'the tested one', 'no rank of this communicator'],
  ['request', 'the tested one', 'larger than the receive buffer'],
  ['promise', 'the tested one', 'larger than the receive buffer'],
  ['collective', 'the tested one', 'the color -1'],
  ['message', 'the tested one', 'larger than the buffer'],
  ['loop', 'the tested one', 'larger than the buffer'],
  ['object', 'the tested one', 'which is no data'],
  ['loop over objects', 'the tested one', 'received as an object is none'],
  ['persistent', 'the tested one', 'larger than the receive buffer'],
  ['arrivals', 'the tested one', 'both have to be of the same length'],
  ['neighbours', 'a communicator of 2 ranks', 'for each of 2 neighbours'],
  ['inherited', 'a communicator of 2 ranks', 'no rank of this communicator'],
])('an error in: %s', async (how, name, why) => {
  const { status, stdout, stderr, orphans } = await runJob(PROGRAM, { ranks: 2, words: [how] });
  expect({ status, stdout, orphans }).toEqual({ status: 1, stdout: '', orphans: [] });
  expect(stderr).toContain(`an error on ${name} of rank 1`);
  expect(stderr).toContain(why);
});

test("'throw' again", async () => {
  const { status, stdout } = await runJob(PROGRAM, { ranks: 2, words: ['caught'] });
  expect({ status, stdout }).toEqual({ status: 0, stdout: 'the program goes on\n' });
});
