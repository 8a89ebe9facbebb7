#!/usr/bin/env node
/**
 * `node rank.js JOB...`: a rank of these jobs, such as point-to-point/order; it says `ok JOB: CASE` after each
 * case. `node rank.js --list`: which jobs there are, as JSON.
 */
import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { MPI } from '../../runtime/index.ts';
import type { Job } from './job.ts';

/** A job as others know it: its cases by their names. */
export type ListedJob = Omit<Job, 'cases'> & { name: string; cases: string[] };

const here = dirname(fileURLToPath(import.meta.url));

async function load(name: string): Promise<Job> {
  const module = await import(pathToFileURL(join(here, `${name}.js`)).href);
  if (module.default?.cases === undefined)
    throw new Error(`test/jobs/${name}.ts exports no job: export default defineJob({ … })`);
  return module.default;
}

/** Each file right in a chapter's folder, but for tests. */
function names(): string[] {
  const folders = readdirSync(here, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return folders
    .flatMap(({ name }) => readdirSync(join(here, name)).map((file) => `${name}/${file}`))
    .filter((file) => /^[^.]+\.js$/.test(file))
    .map((file) => file.slice(0, -'.js'.length))
    .sort();
}

async function list(): Promise<void> {
  const jobs: ListedJob[] = [];
  for (const name of names()) {
    const job = await load(name);
    jobs.push({ ...job, name, cases: Object.keys(job.cases) });
  }
  process.stdout.write(JSON.stringify(jobs));
}

async function run(name: string): Promise<void> {
  for (const [what, check] of Object.entries((await load(name)).cases)) {
    try {
      await check();
    } catch (error) {
      process.stderr.write(`rank ${MPI.world.rank}, ${name}: ${what}\n`);
      throw error;
    }
    process.stdout.write(`ok ${name}: ${what}\n`);
    if (!MPI.finalized) await MPI.world.barrier();
  }
}

const words = process.argv.slice(2);
if (words[0] === '--list') await list();
else for (const name of words) await run(name);
