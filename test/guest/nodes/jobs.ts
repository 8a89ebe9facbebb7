#!/usr/bin/env node
/**
 * `node jobs.js LIST`: jobs over two guests, as TAP. Both guests run it, with the same list; each
 * tells how its own ranks ended.
 */
import assert from 'node:assert/strict';
import { MpiError } from '../../../runtime/base/error.ts';
import { type NodeEnd, type NodeJob, type RankEnd, runNodeJob } from './job.ts';
import { LISTS } from './lists.ts';

/** A job whose ranks must end well. What they print as `ok - …` and `not ok - …` are claims, too. */
export interface Case extends NodeJob {
  name: string;
  /** Lines that the ranks may write on stderr. */
  notice?: RegExp;
  /** A look at what this node's ranks printed. */
  check?: (ends: RankEnd[]) => void;
}

interface Claim {
  name: string;
  error: string | undefined;
}

/** Each job has its own port: a late word of one is none of the next. */
const FIRST_PORT = 7100;
const RANK_CLAIM = /^(not )?ok - ([^#\n]*?)(?: # (.*))?$/gm;

function endClaim({ name, notice, check }: Case, { ranks: ends, killed }: NodeEnd): Claim {
  try {
    assert.equal(killed, undefined);
    for (const end of ends) {
      const { rank, status } = end;
      const stderr = notice === undefined ? end.stderr : end.stderr.replace(notice, '');
      assert.deepEqual({ rank, status, stderr }, { rank, status: 0, stderr: '' });
    }
    check?.(ends);
    return { name, error: undefined };
  } catch (error) {
    return { name, error: `${(error as Error).message}\n${JSON.stringify(ends, null, 1)}` };
  }
}

function rankClaims(name: string, { stdout }: RankEnd): Claim[] {
  return Array.from(stdout.matchAll(RANK_CLAIM), ([, failed, claim, why]) => ({
    name: `${name}: ${claim}`,
    error: failed === undefined ? undefined : (why ?? 'not so'),
  }));
}

const list = process.argv[2] ?? '';
const cases = LISTS[list];
if (!cases) throw new MpiError('ERR_ARG', `there is no list "${list}"`);
const node = Number(process.env.GUEST_NODE);
const server = (node === 0 ? process.env.GUEST_ADDRESS : process.env.GUEST_PEER) ?? '127.0.0.1';
let number = 0;
for (const [i, job] of cases.entries()) {
  const { name } = job;
  const started = performance.now();
  const end = await runNodeJob(job, { node, server, port: FIRST_PORT + i });
  const claims = [...end.ranks.flatMap((rank) => rankClaims(name, rank)), endClaim(job, end)];
  for (const claim of claims) {
    number += 1;
    console.log(`${claim.error === undefined ? 'ok' : 'not ok'} ${number} - ${claim.name}`);
    if (claim.error === undefined) continue;
    process.exitCode = 1;
    for (const line of claim.error.split('\n')) console.log(`# ${line}`);
  }
  for (const { stdout } of end.ranks)
    for (const line of stdout.split('\n')) if (line.startsWith('# ')) console.log(line);
  console.log(`# ${name}: ${((performance.now() - started) / 1000).toFixed(1)} s`);
}
console.log(`1..${number}`);
