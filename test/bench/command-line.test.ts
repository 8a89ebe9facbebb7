/** The programs behind npm's scripts: how they speak to whoever mistypes. None of them begins its work. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { packageRoot } from '../../native/addon.ts';

interface Outcome {
  status: number;
  stdout: string;
  stderr: string;
}

async function run(program: string, ...words: string[]): Promise<Outcome> {
  const path = join(packageRoot(), 'dist', program);
  try {
    const output = await promisify(execFile)(process.execPath, [path, ...words]);
    return { status: 0, ...output };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number } & Omit<Outcome, 'status'>;
    return { status: code, stdout, stderr };
  }
}

/** Each script of package.json that runs a program of test/, and its program. */
function programs(): [string, string][] {
  const { scripts } = JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8'));
  return Object.entries<string>(scripts).flatMap(([name, command]) => {
    const [, program] = /node dist\/(test\/[\w/-]+\.js)/.exec(command) ?? [];
    return program === undefined ? [] : [[name, program] as [string, string]];
  });
}

describe.each(programs())('npm run %s', (name, program) => {
  test('--help says what it is for, by its name', async () => {
    const { status, stdout, stderr } = await run(program, '--help');
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toContain(`npm run ${name}`);
    expect(stdout).toContain('--help');
  });

  test('an option that there is not is said in words, with status 2', async () => {
    const { status, stdout, stderr } = await run(program, '--nonsense');
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toContain("Unknown option '--nonsense'");
    expect(stderr).not.toMatch(/^\s+at /m);
  });
});

test.each([
  [
    'test/bench/memory.js',
    ['--monitor', 'bogus'],
    'bench:memory: --monitor: "bogus" is none of auto,',
  ],
  ['test/bench/memory.js', ['--only', 'hot,cold'], 'bench:memory: --only: "cold" is none of hot,'],
  ['test/bench/p2p.js', ['--rounds', 'many'], 'bench:p2p: --rounds: "many" is no whole number'],
  ['test/bench/p2p.js', ['--sizes', '8,'], 'bench:p2p: --sizes: "" is no whole number'],
  ['test/bench/launch.js', ['--rounds', '0'], 'bench:launch: --rounds: "0" is no whole number'],
  [
    'test/bench/kernel.js',
    ['--kernel', '2.6'],
    'bench:kernel: --kernel: "2.6" is none of 6.1, 6.12',
  ],
  [
    'test/conformance/domains/demo.js',
    ['--transport', 'x'],
    'demo:stale: --transport: "x" is none of uring,',
  ],
  ['examples/zero-copy-send.js', ['--nonsense'], "Unknown option '--nonsense'"],
  ['examples/zero-copy-send.js', ['--bytes', 'x'], '--bytes and --count are whole numbers above 0'],
])('%s %j: %s', async (program, words, said) => {
  const { status, stdout, stderr } = await run(program, ...words);
  expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  expect(stderr.startsWith(said)).toBe(true);
});
