/** What is closed has given its descriptors back: their numbers are the program's own. */
import { closeSync, openSync, readSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Ring } from '../../../../../runtime/memory/domains/ring.ts';
import { UserfaultfdMonitor } from '../../../../../runtime/memory/monitors/userfaultfd.ts';
import { needUserfaultfdAndUring } from '../../../../tools/needs.ts';

needUserfaultfdAndUring();

const NAME = join(tmpdir(), `dreg-mpi-closed-${process.pid}`);

/** Takes that number, and all free ones below it, for a file of 64 bytes. */
function occupy(number: number): number[] {
  writeFileSync(NAME, Buffer.alloc(64, 7));
  const fds: number[] = [];
  do fds.push(openSync(NAME, 'r'));
  while (!fds.includes(number));
  rmSync(NAME);
  return fds;
}

test('a closed userfaultfd monitor reads nothing of a descriptor of the same number', () => {
  const monitor = new UserfaultfdMonitor({ slots: 4 });
  const number = monitor.wakeFd;
  monitor.close();
  const fds = occupy(number);
  monitor.drain(new Float64Array(16));
  expect(readSync(number, Buffer.alloc(64))).toBe(64);
  for (const fd of fds) closeSync(fd);
});

test('a closed io_uring has no descriptor', () => {
  const ring = new Ring(4);
  ring.close();
  expect([ring.fd, ring.eventfd]).toEqual([-1, -1]);
});
