/** The check-lists of conformance name tests that there are. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { packageRoot } from '../../../native/addon.ts';
import { listJobs } from '../../jobs/run.ts';

const root = packageRoot();
const folder = join(root, 'docs/reference');
const pages = readdirSync(folder).filter((name) => name.startsWith('conformance-'));
/** What stands before a colon or a semicolon with no path behind it is a reason. */
const NAMED = /`((?:jobs|unit|conformance|guest)\/[\w/.-]+)`(?: "([^"]+)")?/g;

/** The last cells of all rows. */
const cellsOf = (page: string) =>
  readFileSync(join(folder, page), 'utf8')
    .split('\n')
    .filter((line) => /^\| (?!---|MPI 4\.1 |statement )/.test(line))
    .map((line) => line.split('|').at(-2)!.trim());

/** A case of a job is a case that it lists; a test of a file is a text of it. */
function isThere(path: string, name: string | undefined): boolean {
  const file = join(root, 'test', path);
  if (!existsSync(file)) return false;
  if (name === undefined) return true;
  const job = jobs.find((one) => `jobs/${one.name}.ts` === path);
  if (job !== undefined) return job.cases.includes(name);
  return readFileSync(file, 'utf8').includes(name);
}

const jobs = listJobs();

describe.each(pages)('%s', (page) => {
  test('each statement has a test, or says why not', () => {
    const cells = cellsOf(page);
    expect(cells.length).toBeGreaterThan(50);
    const silent = cells.filter((cell) => !/^no test: ./.test(cell) && !cell.match(NAMED));
    expect(silent).toEqual([]);
  });

  test('each test that it names exists', () => {
    const named = cellsOf(page).flatMap((cell) => [...cell.matchAll(NAMED)]);
    const missing = named.filter(([, path, name]) => !isThere(path, name));
    expect(missing.map(([text]) => text)).toEqual([]);
  });
});
