/** Compiles the peer that uses libibverbs alone; where guests can see it. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../../native/addon.ts';
import { run } from '../harness/command.ts';
import { CACHE } from '../harness/paths.ts';

const SOURCE = join(packageRoot(), 'test/guest/rdma/bare-peer.c');

/** The program's path. Built once for each state of the source. */
export async function buildBarePeer(): Promise<string> {
  const key = createHash('sha256').update(readFileSync(SOURCE)).digest('hex').slice(0, 16);
  const folder = join(CACHE, 'bare-peer', key);
  const program = join(folder, 'bare-peer');
  if (existsSync(program)) return program;
  mkdirSync(folder, { recursive: true });
  const building = `${program}.${process.pid}`;
  const warnings = ['-Wall', '-Wextra', '-Werror'];
  await run('gcc', ['-std=gnu11', '-O1', ...warnings, '-o', building, SOURCE, '-libverbs']);
  renameSync(building, program);
  return program;
}
