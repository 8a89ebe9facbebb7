/**
 * Jobs over RDMA whose ranks lose memory between messages, and which bytes must come. Old ones come only where
 * user_delta is held back.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { packageRoot } from '../../../native/addon.ts';
import { type Case, caseTests } from '../cases.ts';

const DREGRUN = join(packageRoot(), 'dist/bundle/dregrun.js');
const PROGRAM = join(packageRoot(), 'dist/programs/guest/rdma/programs/remapped.js');
/** Ends a job that hangs; only broken code needs it. */
const TIMEOUT_SECONDS = 150;

function run(way: string, side: string) {
  const words = [DREGRUN, '-n', '2', '--timeout', String(TIMEOUT_SECONDS), PROGRAM, side];
  const env = { ...process.env, DREG_TRANSPORT: 'verbs', DREG_RNDV: way };
  return spawnSync(process.execPath, words, { encoding: 'utf8', env });
}

const cases = (expected: 'new' | 'old') =>
  ['get', 'put'].flatMap((way) =>
    ['sender', 'receiver'].map(
      (side): Case => ({
        name: `${expected} bytes: ${way}, the ${side}'s memory unmapped, mapped again at the same address`,
        check() {
          const { status, stdout, stderr } = run(way, side);
          if (expected === 'new') {
            const lines = stdout.split('\n').sort();
            assert.deepEqual(
              { status, lines, stderr },
              { status: 0, lines: ['', 'rank 0 ok', 'rank 1 ok'], stderr: '' },
            );
          } else {
            assert.match(stderr, /message 1: byte \d+ of 300000 is \d+, not \d+/);
            assert.equal(status, 1);
          }
        },
      }),
    ),
  );

caseTests('seen', cases('new'));
caseTests('missed', cases('old'));
