/**
 * The protocol's model, checked exhaustively: right in the right order, refuted in each wrong one.
 * `DREG_MODEL=full` adds the largest case (37 million states, 2.3 GB, some minutes).
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const MODEL = fileURLToPath(new URL('pinned.pml', import.meta.url));
/** The longest path that the checker follows; the longest there is has 534,213 steps. */
const DEPTH_MAX = 2_000_000;
const FULL_MS = 15 * 60_000;
const full = process.env.DREG_TESTS === 'full';

const missing = ['spin', 'gcc'].filter((name) => spawnSync(name, ['-V']).error !== undefined);

let folder: string;

function run(command: string, words: string[]): string {
  const { status, stdout, stderr } = spawnSync(command, words, {
    cwd: folder,
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
  });
  if (status !== 0 && command !== './pan') throw new Error(`${command}: ${stdout}${stderr}`);
  return stdout + stderr;
}

interface Verdict {
  errors: number;
  states: number;
  /** What was violated, of the first run that was found to violate something. */
  violated: string;
}

/** Every state there is: where there are many the compiler's effort pays. */
const EVERYTHING = ['-O2'];
/** The shortest way to a violation: what is deep is not searched at all. */
const SHORTEST = ['-O0', '-DBFS'];

function check(search: string[], ...definitions: string[]): Verdict {
  run('spin', [...definitions.map((name) => `-D${name}`), '-a', 'pinned.pml']);
  // -w: the table's first size, so that it seldom grows. SAFETY: no search for endless runs.
  run('gcc', [...search, '-w', '-DSAFETY', '-DCOLLAPSE', '-o', 'pan', 'pan.c']);
  const output = run('./pan', [`-m${DEPTH_MAX}`, '-w24']);
  expect(output).not.toMatch(/max search depth too small|out of memory/);
  return {
    errors: Number(/errors: (\d+)/.exec(output)?.[1]),
    states: Number(/(\d+) states, stored/.exec(output)?.[1]),
    violated: /pan:1: (.*) \(at depth/.exec(output)?.[1] ?? '',
  };
}

if (missing.length > 0) {
  const title = `the model needs ${missing.join(' and ')} (Debian: apt-get install spin gcc)`;
  if (process.env.CI === 'true')
    test(title, () => {
      throw new Error(title);
    });
  else test.skip(title, () => {});
} else {
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'dreg-model-'));
    copyFileSync(MODEL, join(folder, 'pinned.pml'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  describe('two buffers, two threads: every order of steps', () => {
    test.each([
      full ? ['dreg', 'DREG', 3, 6_000_000] : ['dreg', 'DREG', 2, 500_000],
      ['userfaultfd', 'UFFD', 2, 3_000_000],
    ] as const)('%s', { timeout: 300_000 }, (_, monitor, entries, statesMin) => {
      const { errors, states } = check(EVERYTHING, monitor, `ENTRIES=${entries}`);
      expect(errors).toBe(0);
      // A model in which a guard never lets anything through would be "right" as well.
      expect(states).toBeGreaterThan(statesMin);
    });

    if (process.env.DREG_MODEL === 'full')
      test('userfaultfd, with a zombie and its successor beside the other buffer', {
        timeout: FULL_MS,
      }, () => {
        expect(check(EVERYTHING, 'UFFD', 'ENTRIES=3').errors).toBe(0);
      });
  });

  const STALE = 'registered[e]&&fresh[e]';
  const UNDER_WAY = '!(underway[';
  const wrong = {
    DREG: {
      REGISTER_FIRST: STALE,
      CHECK_FIRST: STALE,
      DEREGISTER_LEASED: UNDER_WAY,
      DELTA_FIRST: STALE,
      NO_WAIT: STALE,
    },
    UFFD: {
      REGISTER_FIRST: STALE,
      CHECK_FIRST: STALE,
      DEREGISTER_LEASED: UNDER_WAY,
      DELTA_FIRST: STALE,
      NO_FENCE: STALE,
      NO_BUSY: STALE,
      LOOK_NOT_BUSY: STALE,
    },
  };
  describe('each wrong order is refuted', () => {
    for (const [monitor, orders] of Object.entries(wrong))
      for (const [order, violation] of Object.entries(orders))
        test(`${monitor}: ${order}`, { timeout: 120_000 }, () => {
          const verdict = check(SHORTEST, monitor, 'ENTRIES=2', `WRONG_${order}`);
          expect(verdict.errors).toBe(1);
          expect(verdict.violated).toContain(violation);
        });
  });
}
