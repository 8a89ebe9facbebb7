/** `npm run test:full`: nothing is left out, and nothing that failed is lost in the table. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { packageRoot } from '../../native/addon.ts';
import { PART_NAMES, PARTS, readSummary, table } from './parts.ts';

const files = readdirSync(join(packageRoot(), 'test'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.full.test.ts'))
  .map((name) => `test/${name}`);

test('each file that npm test leaves out belongs to one part', () => {
  expect(files.length).toBeGreaterThan(5);
  const parts = files.map((file) =>
    PART_NAMES.filter((part) => PARTS[part].files.some((filter) => file.includes(filter))),
  );
  expect(files.filter((_, index) => parts[index].length !== 1)).toEqual([]);
});

test('what is told of a part', () => {
  expect(readSummary('12 passed, 0 failed\n')).toEqual({ passed: 12, failed: 0, skipped: 0 });
  expect(readSummary('x\n3 passed, 1 failed, 2 skipped\n')).toEqual({
    passed: 3,
    failed: 1,
    skipped: 2,
  });
  expect(readSummary('')).toEqual({ passed: 0, failed: 1, skipped: 0 });
});

test('the table ends with the sum', () => {
  const part = { passed: 5, failed: 1, skipped: 0, seconds: 90 };
  const text = table([
    { part: 'rdma', ...part },
    { part: 'nodes', ...part, failed: 0 },
  ]);
  expect(text).toMatch(/^rdma +5 +1 +0 +1\.5 min$/m);
  expect(text).toMatch(/^all +10 +1 +0 +3\.0 min$/m);
  expect(text.endsWith('10 passed, 1 failed, 0 skipped\n')).toBe(true);
});
