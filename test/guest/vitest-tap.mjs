/**
 * `node vitest-tap.mjs FILE...`: vitest's tests, for the guest: test files that need what only a guest has
 * (`test/**` named .guest.ts) become a program that prints TAP. Nothing is written beside /tmp: the
 * machine's files are read-only in there.
 */
import { startVitest } from 'vitest/node';

const files = process.argv.slice(2);
let claims = 0;

function say(ok, name, errors) {
  process.stdout.write(`${ok ? 'ok' : 'not ok'} ${++claims} - ${name}\n`);
  for (const { message, stack } of errors)
    for (const line of `${message}\n${stack ?? ''}`.split('\n'))
      process.stdout.write(`# ${line}\n`);
}

/** As each test ends: what a guest that hangs has done must be known. */
const reporter = {
  onTestCaseResult(test) {
    const { state, errors = [] } = test.result();
    const skipped = state === 'skipped' ? ' # SKIP' : '';
    const { duration = 0 } = test.diagnostic() ?? {};
    process.stdout.write(`# ${(duration / 1000).toFixed(1)} s\n`);
    say(state !== 'failed', `${test.fullName.replaceAll('#', '')}${skipped}`, errors);
  },
  onTestRunEnd(modules, unhandled) {
    for (const module of modules)
      if (module.errors().length > 0) say(false, module.moduleId, module.errors());
    if (unhandled.length > 0) say(false, 'errors outside of the tests', unhandled);
    process.stdout.write(`1..${claims}\n`);
  },
};

const vitest = await startVitest(
  'test',
  files,
  {
    config: false,
    root: process.cwd(),
    include: ['test/**/*.guest.ts'],
    watch: false,
    pool: 'forks',
    fileParallelism: false,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    reporters: [reporter],
  },
  { cacheDir: '/tmp/vite' },
);
await vitest.close();
