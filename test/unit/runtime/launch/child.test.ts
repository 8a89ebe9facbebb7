import { closeSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { addon } from '../../../../native/addon.ts';
import { type ChildOptions, startChild } from '../../../../runtime/launch/child.ts';

function pipe(): [read: number, write: number] {
  const ends = addon().pipeCreate();
  if (typeof ends === 'number') throw new Error(`pipe2: ${ends}`);
  return ends;
}

const options = (ledger: number, ...words: string[]): ChildOptions => ({
  words,
  environment: { A: 'b' },
  fds: [null, null, null],
  ledger,
  diesWithParent: true,
  ignored: [],
});

test('a child stands in the ledger when it runs; how it ended is told', async () => {
  const [read, write] = pipe();
  const child = startChild(options(write, '/bin/sh', '-c', '[ "$A" = b ] && exit 7'));
  const killed = startChild(options(write, '/bin/sh', '-c', 'kill -USR1 $$'));
  closeSync(write);
  expect(await child.ended).toEqual({ status: 7, signal: null });
  expect(await killed.ended).toEqual({ status: null, signal: 'SIGUSR1' });
  expect(readFileSync(read, 'utf8')).toBe(`+ ${child.pid}\n+ ${killed.pid}\n`);
  closeSync(read);
});

test('a child that could not be executed leaves the ledger', () => {
  const [read, write] = pipe();
  expect(() => startChild(options(write, '/dreg-nowhere'))).toThrow(
    expect.objectContaining({ code: 'ERR_SYSTEM', syscall: 'execve' }),
  );
  closeSync(write);
  expect(readFileSync(read, 'utf8')).toMatch(/^\+ (\d+)\n- \1\n$/);
  closeSync(read);
});

test('without a reader of the ledger a child runs all the same', async () => {
  const [read, write] = pipe();
  closeSync(read);
  const { ended } = startChild(options(write, '/bin/true'));
  closeSync(write);
  expect(await ended).toEqual({ status: 0, signal: null });
});
