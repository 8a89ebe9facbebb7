/**
 * `node vitest-tap.mjs [--name TEXT] FILE...`: compiled vitest tests as a program that prints TAP. For the
 * guest, where vitest itself would take minutes to start: this takes its runner and its `expect` alone.
 */
import { createRequire, register } from 'node:module';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

const { values, positionals: files } = parseArgs({
  options: { name: { type: 'string', default: '' } },
  allowPositionals: true,
});
const ours = createRequire(import.meta.url);
const vitests = createRequire(ours.resolve('vitest/package.json'));
const part = (name) => import(pathToFileURL(vitests.resolve(name)).href);
const { startTests, ...runnerParts } = await part('@vitest/runner');
const { chai, JestAsymmetricMatchers, JestChaiExpect, ASYMMETRIC_MATCHERS_OBJECT, setState } =
  await part('@vitest/expect');

for (const plugin of [JestChaiExpect, JestAsymmetricMatchers]) chai.use(plugin);
const expect = Object.assign((value, message) => chai.expect(value, message), chai.expect);
Object.assign(expect, globalThis[ASYMMETRIC_MATCHERS_OBJECT]);
setState({ assertionCalls: 0 }, expect);

// What the tests import as 'vitest'.
globalThis.guestVitest = { ...runnerParts, expect };
const names = ['afterAll', 'afterEach', 'beforeAll', 'beforeEach', 'describe', 'expect', 'test'];
const shim = `export const { ${names.join(', ')} } = globalThis.guestVitest;`;
const shimUrl = `data:text/javascript,${encodeURIComponent(shim)}`;
const hook = `export const resolve = (name, context, next) => name === 'vitest'
  ? { url: ${JSON.stringify(shimUrl)}, shortCircuit: true } : next(name, context);`;
register(`data:text/javascript,${encodeURIComponent(hook)}`);

let claims = 0;

function say(ok, name, { errors = [], skip = '' } = {}) {
  const what = `${name.replaceAll('#', '')}${skip && ` # SKIP ${skip}`}`;
  process.stdout.write(`${ok ? 'ok' : 'not ok'} ${++claims} - ${what}\n`);
  if (!ok) process.exitCode = 1;
  for (const { message, stack } of errors)
    for (const line of `${message}\n${stack ?? ''}`.split('\n'))
      process.stdout.write(`# ${line}\n`);
}

const fullName = (task) =>
  task.suite && task.suite !== task.file ? `${fullName(task.suite)} > ${task.name}` : task.name;

const runner = {
  config: {
    root: process.cwd(),
    setupFiles: [],
    passWithNoTests: false,
    allowOnly: false,
    testNamePattern: new RegExp(values.name),
    sequence: { hooks: 'stack', setupFiles: 'list' },
    maxConcurrency: 1,
    // A guest on a busy machine is slow; the suite's own limit ends what hangs.
    testTimeout: 1_260_000,
    // A start of jobs is in a hook: all of them, one after the other.
    hookTimeout: 1_260_000,
    retry: 0,
    tags: [],
  },
  importFile: (file) => import(pathToFileURL(file).href),
  /** As each test ends: what a guest that hangs has done must be known. */
  onAfterRunTask(test) {
    if (test.mode === 'skip') return;
    const { state, duration = 0, errors } = test.result;
    process.stdout.write(`# ${(duration / 1000).toFixed(1)} s\n`);
    say(state === 'pass', fullName(test), { errors });
  },
};

const ran = await startTests(
  files.map((file) => ({ filepath: resolve(file) })),
  runner,
);
/** What a test itself has found missing is told; what is left out from the first is not. */
const given = (task) => task.tasks?.flatMap(given) ?? (task.result?.pending ? [task] : []);
for (const test of ran.flatMap(given)) say(true, fullName(test), { skip: test.result.note });
for (const { result, filepath } of ran)
  if (result?.errors?.length > 0) say(false, filepath, result);
process.stdout.write(`1..${claims}\n`);
