import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { guestsCanRun } from './bridge.ts';
import { HARNESS } from './paths.ts';
import { type ProgramResult, runSuite, type SuiteProgram, type SuiteResult } from './suite.ts';

const complain = { source: join(HARNESS, 'fixtures', 'complain') };

function shell(name: string, text: string, more: Partial<SuiteProgram> = {}): SuiteProgram {
  return { name, command: ['/bin/sh', '-c', text], module: false, ...more };
}

/** Each but the first goes wrong in its own way; the last one takes the guest with it. */
const PROGRAMS = [
  shell('good', 'echo "ok 1 - first"; echo "# why"; echo "ok 2 - second"; echo 1..2', {
    module: { ...complain, parameters: 'how=nothing' },
  }),
  shell('bad claim', 'echo "not ok 1 - broken"; echo 1..1; exit 1'),
  shell('bad status', 'echo "ok 1 - fine"; echo 1..1; exit 3'),
  shell('liar', 'echo "not ok 1 - broken"; echo 1..1; exit 0'),
  shell('short', 'echo 1..2; echo "ok 1 - fine"'),
  shell('slow', 'echo 1..1; echo "ok 1 - fine"; sleep 100', { timeoutSeconds: 1 }),
  shell('warns', 'echo 1..1; echo "ok 1 - fine"', {
    module: { ...complain, parameters: 'how=warn' },
  }),
  shell('after', 'echo 1..1; echo "ok 1 - fine"'),
  shell('busy', 'exec 9</sys/module/complain/parameters/how; echo 1..1; echo "ok 1 - fine"', {
    module: complain,
    before: 'modprobe dummy && echo "# dummy is here"',
  }),
  shell('unstartable', 'echo 1..1; echo "ok 1 - fine"', { needs: ['no_such_module'] }),
  shell('panics', 'echo "ok 1 - so far"; echo c >/proc/sysrq-trigger'),
  shell('never', 'echo 1..1; echo "ok 1 - fine"'),
];

function suiteBehaviour(result: SuiteResult): void {
  const of = (name: string): ProgramResult => {
    const found = result.programs.find(({ program }) => program.name === name);
    if (found === undefined) throw new Error(`no program ${name}`);
    return found;
  };

  test('a good program: its claims, no problem', () => {
    expect(of('good').tap.claims.map(({ ok, name }) => [ok, name])).toEqual([
      [true, 'first'],
      [true, 'second'],
    ]);
    expect(of('good').problems).toEqual([]);
  });

  test('a failed claim is the claim’s failure, not the program’s', () => {
    expect(of('bad claim').tap.claims[0]).toMatchObject({ ok: false, name: 'broken' });
    expect(of('bad claim').problems).toEqual([]);
  });

  test('the log of one program is not held against the next', () => {
    expect(of('after').problems).toEqual([]);
    expect(of('busy').output).toContain('# dummy is here');
    expect(of('busy').problems).toEqual([]);
  });

  test.each([
    ['bad status', /^exit status 3$/],
    ['liar', /^exit status 0 in spite of a failed claim$/],
    ['short', /^1 claims of 2 planned$/],
    ['slow', /^killed after 1 s/],
    ['warns', /^kernel log: WARNING: .*complain_init/],
    ['unstartable', /^could not be started\n/],
    ['panics', /^did not come to its end\nno plan.*\nkernel log: panic: Kernel panic/],
    ['never', /^was not run$/],
  ])('%s is a failure', (name, problems) => {
    expect(of(name).problems.join('\n')).toMatch(problems);
  });

  test('the guest as a whole has failed', () => {
    expect(result.problems).toEqual(['the guest died before its script ended']);
  });
}

if (guestsCanRun('TAP suites')) {
  const result = await runSuite({ kernel: '6.1', programs: PROGRAMS });
  describe('TAP suites', () => suiteBehaviour(result));
}
