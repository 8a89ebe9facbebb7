#!/usr/bin/env node
/**
 * `node rdma-tap.js doctor|iwarp|pingpong|demo`: what a user sees of RDMA, told as TAP, for the guest with
 * rxe0 (iwarp: siw0) and dreg: the doctor, the example that shows what caching is worth, the stale bytes.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../../native/addon.ts';
import type { Examination } from '../../../runtime/launch/doctor/doctor.ts';
import type { Finding } from '../../../runtime/launch/doctor/finding.ts';
import { type Claim, runClaims } from '../../tools/claims.ts';

const file = (name: string) => join(packageRoot(), 'dist', name);
const DREGRUN = file('bundle/dregrun.js');

function run(words: string[], environment: NodeJS.ProcessEnv = {}) {
  const env = { ...process.env, ...environment };
  return spawnSync(process.execPath, words, { encoding: 'utf8', env });
}

/** What the doctor says with these options of dregrun. */
function examine(...words: string[]): { status: number | null; parts: Record<string, Finding> } {
  const { status, stdout, stderr } = run([DREGRUN, '--doctor', '--json', ...words]);
  assert.equal(stderr, '');
  const { groups } = JSON.parse(stdout) as Examination;
  const parts = groups.flatMap(({ findings }) => findings.map((one) => [one.part, one]));
  return { status, parts: Object.fromEntries(parts) };
}

/** Rows of examples/pingpong over verbs. */
function pingpong(...words: string[]): Record<string, unknown>[] {
  const options = ['--transport', 'verbs', '--modes', 'sync', '--sizes', '262144', '--quick'];
  const { status, stdout, stderr } = run([
    DREGRUN,
    '-n',
    '2',
    file('examples/pingpong.js'),
    ...options,
    '--json',
    ...words,
  ]);
  assert.deepEqual({ status, stderr }, { status: 0, stderr: '' });
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
}

const doctor = (port: string, link: string, gid: RegExp): Claim => ({
  name: 'the doctor finds dreg, the device and its GID, and runs a job over them',
  check() {
    const { status, parts } = examine('--transport', 'verbs', '-x', 'DREG_MONITOR=dreg');
    assert.equal(status, 0, JSON.stringify(parts));
    assert.deepEqual(parts.dreg.facts, { abi: 1 });
    assert.equal(parts[port].state, 'works');
    assert.equal(parts[port].facts?.link, link);
    assert.ok(parts['port in use'].says.startsWith(`${port}, `), parts['port in use'].says);
    assert.match(parts['port in use'].says, gid);
    assert.equal(parts['job over verbs'].state, 'works', parts['job over verbs'].says);
    assert.equal(parts['job over verbs'].facts?.monitor, 'dreg');
  },
});

const DOCTOR = [doctor('rxe0:1', 'ethernet', /GID \d+ \(RoCE v2\) 0000:.*:ffff:7f00:0001$/)];
const IWARP = [doctor('siw0:1', 'iwarp', /GID 0 /)];

/** What the runs so far printed: each is shown beside the earlier ones. */
const EARLIER = '/tmp/pingpong.jsonl';

const RUNS = [
  ['none', 'get'],
  ['dreg', 'put'],
  ['userfaultfd', 'copy'],
] as const;

const PINGPONG: Claim[] = RUNS.map(([monitor, way], index) => ({
  name: `pingpong --monitor ${monitor} --rndv ${way} goes that way, beside ${index} earlier runs`,
  check() {
    const beside = index === 0 ? [] : ['--beside', EARLIER];
    const rows = pingpong('--monitor', monitor, '--rndv', way, ...beside);
    const seen = rows.map((row) => [row.setting, row.way]);
    const shown = RUNS.slice(0, index + 1).map(([name, how]) => [`verbs, ${name}, ${how}`, how]);
    assert.deepEqual(seen, shown);
    writeFileSync(EARLIER, rows.map((row) => JSON.stringify(row)).join('\n'));
  },
}));

const DEMO: Claim[] = ['naive', 'dreg'].map((monitor) => ({
  name: `demo:stale --transport verbs: ${monitor}`,
  check() {
    const words = [file('test/conformance/domains/demo.js'), '--transport', 'verbs', '--json'];
    const { status, stdout, stderr } = run([...words, '--monitor', monitor]);
    assert.deepEqual({ status, stderr }, { status: 0, stderr: '' });
    const shown = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    assert.ok(shown.length >= 8, stdout);
    const old = shown.filter(({ outcome }) => outcome === 'old').length;
    if (monitor === 'dreg') assert.equal(old, 0, stdout);
    else assert.ok(old > 0, stdout);
  },
}));

const LISTS: Record<string, Claim[]> = {
  doctor: DOCTOR,
  iwarp: IWARP,
  pingpong: PINGPONG,
  demo: DEMO,
};

const claims = LISTS[process.argv[2] ?? ''];
if (!claims) throw new Error(`there is no list "${process.argv[2]}"`);
await runClaims(claims);
