#!/usr/bin/env node
/** `node job.js RANKS...`: jobs whose ranks talk over RDMA only, as TAP; for the guest. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { packageRoot } from '../../../native/addon.ts';
import { type Claim, runClaims } from '../../tools/claims.ts';

const DREGRUN = join(packageRoot(), 'dist/bundle/dregrun.js');
const TIMEOUT_MS = 120_000;
/** Of test/jobs/point-to-point/every-size.ts: each is told by each rank. */
const CASES = 13;

function run(ranks: number, program: string, words: string[], environment: NodeJS.ProcessEnv) {
  const file = join(packageRoot(), 'dist/test/jobs', `${program}.js`);
  const ended = spawnSync(
    process.execPath,
    [DREGRUN, '-n', String(ranks), process.execPath, file, ...words],
    {
      encoding: 'utf8',
      timeout: TIMEOUT_MS,
      env: { ...process.env, DREG_TRANSPORT: 'verbs', ...environment },
    },
  );
  assert.equal(ended.signal, null, `the job hangs\n${ended.stdout}${ended.stderr}`);
  return ended;
}

const messages = (ranks: number, rendezvous: string): Claim => ({
  name: `messages of all kinds between ${ranks} ranks, large ones by ${rendezvous}`,
  check() {
    const { status, stdout, stderr } = run(ranks, 'point-to-point/every-size', [], {
      DREG_RNDV: rendezvous,
    });
    const said = stdout.split('\n').filter((line) => line.endsWith(': ok')).length;
    assert.deepEqual({ status, stderr, said }, { status: 0, stderr: '', said: ranks * CASES });
  },
});

const killed: Claim = {
  name: 'a rank that is killed in mid-transfer ends the job',
  check() {
    const { status, stdout } = run(2, 'environment/programs/killed', ['SIGKILL'], {});
    assert.match(stdout, /under way/);
    assert.notEqual(status, 0);
  },
};

const sizes = process.argv.slice(2).map(Number);
await runClaims([
  ...sizes.flatMap((ranks) => [messages(ranks, 'get'), messages(ranks, 'put')]),
  killed,
]);
