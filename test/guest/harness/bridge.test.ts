import { beforeAll, describe, expect, test } from 'vitest';
import { run } from './command.ts';
import { CHECKOUT } from './paths.ts';

interface Verdict {
  fullName: string;
  status: string;
  failureMessages: string[];
}

/** Runs the fixture's tests, which are red on purpose, in a vitest of their own. */
async function verdicts(env: Record<string, string>): Promise<Map<string, Verdict>> {
  const args = ['vitest', 'run', '--root', CHECKOUT, '--reporter', 'json'];
  const { stdout } = await run(
    'npx',
    [...args, '--config', 'test/guest/harness/fixtures/vitest.config.ts'],
    { cwd: CHECKOUT, env, mayFail: true },
  );
  const report = JSON.parse(stdout.slice(stdout.indexOf('{'))) as {
    testResults: { assertionResults: Verdict[] }[];
  };
  const all = report.testResults.flatMap((file) => file.assertionResults);
  return new Map(all.map((verdict) => [verdict.fullName.replace('kernel 6.1 ', ''), verdict]));
}

describe('a vitest test for each TAP line', () => {
  let found: Map<string, Verdict>;
  beforeAll(async () => {
    found = await verdicts({ CI: '' });
  });

  test.each([
    ['mixed 1 good', 'passed'],
    ['mixed 2 bad', 'failed'],
    ['mixed 3 lacking', 'skipped'],
    ['mixed comes to its end, the kernel has not complained', 'passed'],
    ['warns 1 good', 'passed'],
    ['warns comes to its end, the kernel has not complained', 'failed'],
    ['sees notices: a claim like flag is late fails', 'passed'],
    ['blind notices: a claim like flag is late fails', 'failed'],
    ['the guest comes to its end, the kernel has not complained', 'failed'],
  ])('%s: %s', (name, status) => {
    expect(found.get(name)?.status).toBe(status);
  });

  test('a failed line shows the comments beside it', () => {
    expect(found.get('mixed 2 bad')?.failureMessages.join('\n')).toContain('# why');
  });
});

test('under CI a skipped line is a failure', async () => {
  const found = await verdicts({ CI: 'true' });
  expect(found.get('mixed 3 lacking')?.status).toBe('failed');
});
