/** What is tried under each launcher, and the tests that it comes out as its table says. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import {
  canTest,
  type Ended,
  fixture,
  type Running,
  start,
  survivors,
  temporaryFolder,
  until,
} from '../../../../tools/launcher.ts';
import { ENDS, GO_ON, SOME_STATUS, type TestedLauncher } from './launchers.ts';

const RANKS = 3;

const sorted = (text: string) => text.split(/(?<=\n)/).sort();
const each = (line: (rank: number) => string) =>
  Array.from({ length: RANKS }, (_, rank) => `${line(rank)}\n`);

/** What every rank has said, where the job went well. */
function said({ status, stdout, stderr }: Ended): string[] {
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return sorted(stdout);
}

export function launcherTests(launcher: TestedLauncher): void {
  const { name, needs, packages, kind, expected } = launcher;
  const folder = temporaryFolder();
  afterAll(() => folder.remove());

  /** What a launcher that is killed leaves behind goes with the test's own folder. */
  function job(words: string[], environment: NodeJS.ProcessEnv = {}): Running {
    const [file, ...rest] = launcher.command(RANKS);
    return start(file, [...rest, process.execPath, ...words], {
      environment: { TMPDIR: folder.path, ...environment },
    });
  }

  /** The status of a job in which rank 1 does something while the others wait for it. */
  async function statusOf(act: string): Promise<string> {
    const running = job([fixture('talks.mjs'), 'ends', act]);
    const { status } = await running.ended;
    await until('no rank is left', () => survivors(running.mark).length === 0);
    return `status ${status}`;
  }

  describe.skipIf(!canTest(needs))(`${name} (Debian: ${packages})`, () => {
    test('values of any length pass, and each rank knows who it is', async () => {
      const ended = await job([fixture('exchange.mjs'), '20000']).ended;
      expect(said(ended)).toEqual(
        each((rank) => `rank ${rank} of ${RANKS} launcher ${kind} right ${RANKS} missing true`),
      );
    });

    test('messages pass between the ranks, which share their machine', async () => {
      const ended = await job([fixture('talks.mjs')]).ended;
      expect(said(ended)).toEqual(each((rank) => `rank ${rank} of ${RANKS} near ${RANKS} wrong 0`));
    });

    test('what a rank starts is alone', async () => {
      const ended = await job([fixture('child.mjs')]).ended;
      expect(said(ended)).toEqual(each(() => 'singleton 1'));
    });

    const ends = [
      ['abort:7', expected.abort],
      ['abort:0', expected.abortZero],
      ['exit:5', expected.exit],
      ['kill:SIGKILL', expected.killed],
      ['vanish:', expected.unfinalized],
    ].filter(([, status]) => status !== GO_ON);
    test.each(ends)('%s of a rank: %s', async (act, status) => {
      const found = await statusOf(act);
      if (status === ENDS) expect(found).toMatch(/^status \d/);
      else if (status === SOME_STATUS) expect(found).toMatch(/^status [1-9]/);
      else expect(found).toBe(status);
    });

    test.each(['blocked', 'awaiting'])(
      'no rank outlives its launcher that is killed (%s)',
      async (how) => {
        const file = join(folder.path, how);
        const waits = [fixture('talks.mjs'), 'waits', how, file];
        const running = job(waits, { DREG_DEADLOCK_MS: '0' });
        const there = () => (existsSync(file) ? readFileSync(file, 'utf8').split('\n') : []);
        await until('the ranks wait', () => there().length === RANKS + 1);
        running.child.kill('SIGKILL');
        await until('no rank is left', () => survivors(running.mark).length === 0);
      },
    );
  });
}
