/** A rank that was killed is what ends the job, also where another rank failed of it and ended before. */
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { dregrun, fixture, temporaryFolder } from '../../../tools/launcher.ts';

const folder = temporaryFolder();
afterAll(() => folder.remove());

test('the rank that was killed is named, not the one that noticed', async () => {
  const words = ['-n', '2', fixture('notices.mjs'), join(folder.path, 'pid')];
  const { status, stderr } = await dregrun(words);
  expect(stderr).toMatch(/^dregrun: rank 0 .*SIGKILL/);
  expect(status).toBe(137);
});
