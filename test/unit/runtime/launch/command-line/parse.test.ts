import { describe, expect, test } from 'vitest';
import type { RunCommand } from '../../../../../runtime/launch/command-line/command.ts';
import { parseArguments } from '../../../../../runtime/launch/command-line/parse.ts';
import { RANKS_LIMIT } from '../../../../../runtime/launch/command-line/values.ts';

const run = (...words: string[]) => parseArguments(words) as RunCommand;
/** The only program's. */
const program = (...words: string[]) => run(...words).programs[0];

describe('what belongs to dregrun and what to the program', () => {
  test('options end where the program begins', () => {
    const command = run('-n', '3', '--tag-output', 'app.js', '-n', '9', '--verbose');
    expect(command).toMatchObject({ ranks: 3, output: { tag: true }, verbose: false });
    expect(command.programs).toMatchObject([
      { program: 'app.js', programArguments: ['-n', '9', '--verbose'] },
    ]);
  });

  test('build alone is a command; with a path or behind an option it is a program', () => {
    expect(parseArguments(['build'])).toEqual({ kind: 'build' });
    expect(program('./build')).toMatchObject({ program: './build' });
    expect(program('-n', '2', 'build', 'x')).toMatchObject({ program: 'build' });
  });

  test('-- makes the next word the program, whatever it looks like', () => {
    expect(program('-n', '2', '--', '-odd', '--', 'x')).toMatchObject({
      program: '-odd',
      programArguments: ['--', 'x'],
    });
    expect(program('--', 'node', '--expose-gc', 'app.js').programArguments).toEqual([
      '--expose-gc',
      'app.js',
    ]);
  });

  test('a long option takes its value after = or as the next word', () => {
    expect(run('--timeout=1.5', '--bind-to', 'none', '--wdir=/tmp', 'x')).toMatchObject({
      timeoutSeconds: 1.5,
      binding: 'none',
      programs: [{ workingDirectory: '/tmp' }],
    });
  });

  test('without options: one rank, bound as dregrun sees fit', () => {
    expect(run('x')).toMatchObject({ ranks: 1, binding: undefined, timeoutSeconds: undefined });
  });

  test.each(['-n', '-np', '--np'])('%s is the number of ranks', (name) => {
    expect(run(name, '5', 'x').ranks).toBe(5);
  });

  test('-x takes values with = and blanks, and values from here', () => {
    process.env.DREG_TEST_HERE = 'here';
    try {
      const { exports } = run('-x', 'A=b=c d', '-x', 'DREG_TEST_HERE', '-x', 'E=', 'x');
      expect([...exports]).toEqual([
        ['A', 'b=c d'],
        ['DREG_TEST_HERE', 'here'],
        ['E', ''],
      ]);
    } finally {
      delete process.env.DREG_TEST_HERE;
    }
  });

  test('a lone : behind -- is an argument of the program', () => {
    expect(program('--', 'sh', '-c', ':').programArguments).toEqual(['-c', ':']);
  });

  test('the program’s own words are left as they are', () => {
    expect(program('x', '-np', '3', '--np', '--unknown').programArguments).toEqual([
      ...['-np', '3', '--np', '--unknown'],
    ]);
  });

  test('--help and --version need no program', () => {
    expect(parseArguments(['-n', '2', '--help']).kind).toBe('help');
    expect(parseArguments(['--version']).kind).toBe('version');
  });
});

describe('several programs', () => {
  test('have ranks, arguments and variables of their own', () => {
    const words = '-n 2 -x A=1 -env B 2 a.js -n 9 : -n 3 --wdir /tmp -env B 3 ./b : c'.split(' ');
    const { ranks, programs, exports } = run(...words);
    expect(ranks).toBe(6);
    expect([...exports]).toEqual([['A', '1']]);
    expect(programs).toEqual([
      {
        ranks: 2,
        program: 'a.js',
        programArguments: ['-n', '9'],
        exports: new Map([['B', '2']]),
        workingDirectory: undefined,
      },
      {
        ranks: 3,
        program: './b',
        programArguments: [],
        exports: new Map([['B', '3']]),
        workingDirectory: '/tmp',
      },
      {
        ranks: 1,
        program: 'c',
        programArguments: [],
        exports: new Map(),
        workingDirectory: undefined,
      },
    ]);
  });

  test('and variables as hydra gives them, whose values may look like options', () => {
    const { exports } = run('-genv', 'A', '-n 7', '-genv', 'B', 'b=c', 'x', '-genv', 'C', 'd');
    expect([...exports]).toEqual([
      ['A', '-n 7'],
      ['B', 'b=c'],
    ]);
  });
});

describe('a debugger', () => {
  test.each([
    [['--debug', 'x'], 'all'],
    [['--debug', '1', 'x'], 1],
    [['--debug=1', 'x'], 1],
    [['x', '--debug'], undefined],
  ])('%j', (words, debug) => {
    expect(run('-n', '2', ...words)).toMatchObject({ debug });
  });
});

describe('bad usage names what is wrong', () => {
  test.each([
    [[], 'no program'],
    [['-n', '2'], 'no program'],
    [[''], 'no program'],
    [['--'], 'no program'],
    [['-n', '0', 'x'], '-n 0'],
    [['-n', '-1', 'x'], "'-n'"],
    [['--np=-1', 'x'], '-n -1'],
    [['-n', '2x', 'x'], '-n 2x'],
    [['-n', '1e2', 'x'], '-n 1e2'],
    [['-n', String(RANKS_LIMIT + 1), 'x'], String(RANKS_LIMIT)],
    [['-n'], "'-n, --np <value>' argument missing"],
    [['--timeout', '0', 'x'], '--timeout 0'],
    [['--timeout', 'soon', 'x'], '--timeout soon'],
    [['--timeout', '1.2.3', 'x'], '--timeout 1.2.3'],
    [['--timeout', '9999999999', 'x'], '--timeout'],
    [['--bind-to', 'socket', 'x'], '--bind-to socket'],
    [['--transport', '', 'x'], '--transport'],
    [['--verbose=1', 'x'], "'--verbose' does not take an argument"],
    [['--unknown', 'x'], '--unknown'],
    [['--constructor', 'x'], '--constructor'],
    [['-q', 'x'], '-q'],
    [['./a', ':', '-n', '1'], 'no program'],
    [['./a', ':', '--verbose', './b'], 'before the first program'],
    [['-n', '1000', './a', ':', '-n', '1000', './b'], '-n 2000'],
    [['--stdin', '2', '-n', '2', 'x'], 'from 0 to 1, all, or none'],
    [['--stdin', 'some', 'x'], '--stdin some'],
    [['--debug', '3', 'x'], '--debug 3'],
    [['--output-filename', '', 'x'], '--output-filename'],
    [['-genv', 'A-B', '1', 'x'], '-genv A-B'],
    [['-env', 'PMI_RANK', '1', 'x'], 'PMI_RANK'],
    [['build', '-n', '2'], 'dregrun ./build'],
    [['--tag-ouput', 'x'], 'did you mean --tag-output?'],
    [['--stdni', '0', 'x'], 'did you mean --stdin?'],
    [['-x', 'A-B=1', 'x'], '-x A-B'],
    [['-x', 'PMI_RANK=7', 'x'], 'PMI_RANK'],
    [['-x', 'DREG_TEST_NOT_SET', 'x'], 'DREG_TEST_NOT_SET'],
  ])('%j', (words, message) => {
    expect(() => parseArguments(words)).toThrow(
      expect.objectContaining({ code: 'ERR_ARG', message: expect.stringContaining(message) }),
    );
  });
});

describe('MPIEXEC_TIMEOUT', () => {
  const timeout = (value: string, ...words: string[]) =>
    (parseArguments([...words, 'x'], { MPIEXEC_TIMEOUT: value }) as RunCommand).timeoutSeconds;

  test('is the time where --timeout gives none; 0 or less is none, as for MPICH', () => {
    expect(timeout('30')).toBe(30);
    expect(timeout('30', '--timeout', '5')).toBe(5);
    for (const none of ['', '0', '-1']) expect(timeout(none)).toBeUndefined();
  });

  test('that is no number is named', () => {
    expect(() => timeout('soon')).toThrow('MPIEXEC_TIMEOUT=soon');
  });
});
