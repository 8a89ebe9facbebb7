/** Which parts of a machine CPUs belong to, from a kernel's own description of it. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { partsOf } from '../../../../runtime/mpi/locality.ts';

const root = mkdtempSync(join(tmpdir(), 'cpus-'));
afterAll(() => rmSync(root, { recursive: true }));

function put(path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), `${text}\n`);
}

/** Two sockets of two cores of two threads; a third-level cache and a memory for each socket. */
for (let cpu = 0; cpu < 8; cpu++) {
  const socket = cpu >> 2;
  put(`cpu${cpu}/topology/physical_package_id`, `${socket}`);
  put(`cpu${cpu}/topology/thread_siblings_list`, `${cpu & ~1}-${cpu | 1}`);
  put(`cpu${cpu}/node${socket}/x`, '');
  for (const [index, level] of [1, 1, 2, 3].entries()) {
    put(`cpu${cpu}/cache/index${index}/level`, `${level}`);
    const shared = level === 3 ? `${4 * socket}-${4 * socket + 3}` : `${cpu}`;
    put(`cpu${cpu}/cache/index${index}/shared_cpu_list`, shared);
  }
}

test.each([
  ['core', [0, 1], '0-1'],
  ['core', [6], '6-7'],
  ['core', [3, 0], '0-1;2-3'],
  ['socket', [5, 7], '1'],
  ['socket', [0, 4], '0;1'],
  ['l3', [2], '0-3'],
  ['l3', [2, 6], '0-3;4-7'],
  ['numa', [4], 'node1'],
  ['numa', [4, 0], 'node0;node1'],
] as const)('%s of the CPUs %j', (part, cpus, parts) => {
  expect(partsOf(part, cpus, root)).toBe(parts);
});

test.each(['core', 'socket', 'l3', 'numa'] as const)(
  'where the kernel does not tell, all are in one %s',
  (part) => {
    expect(partsOf(part, [0, 5], join(root, 'none'))).toBe(partsOf(part, [3], join(root, 'none')));
    expect(partsOf(part, [], root)).toBe('');
  },
);
