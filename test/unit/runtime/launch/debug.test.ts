/** A rank that waits for a debugger, and goes on once one has come. */
import { expect, test } from 'vitest';
import type { RunCommand } from '../../../../runtime/launch/command-line/command.ts';
import { parseArguments } from '../../../../runtime/launch/command-line/parse.ts';
import { planRanks } from '../../../../runtime/launch/rank-plans.ts';
import { fixture, startDregrun, until } from '../../../tools/launcher.ts';

let port: string | undefined;
const plans = (...words: string[]) => {
  const ranks = planRanks(parseArguments(words) as RunCommand, {
    PATH: process.env.PATH,
    DREG_DEBUG_PORT: port,
  });
  if ('status' in ranks) throw new Error(ranks.message);
  return ranks.map(({ program }) => program.words[0]);
};
const PROGRAM = fixture('lines.mjs');

test('each rank has a port of its own; one that is asked for has the first', () => {
  expect(plans('-n', '2', '--debug', PROGRAM)).toEqual([
    '--inspect-brk=127.0.0.1:9229',
    '--inspect-brk=127.0.0.1:9230',
  ]);
  expect(plans('-n', '2', '--debug', '1', PROGRAM)).toEqual([
    PROGRAM,
    '--inspect-brk=127.0.0.1:9229',
  ]);
  port = '0';
  expect(plans('--debug', PROGRAM)).toEqual(['--inspect-brk=127.0.0.1:0']);
  port = 'x';
  expect(() => plans('--debug', PROGRAM)).toThrow('DREG_DEBUG_PORT=x');
  port = undefined;
  expect(() => plans('--debug', 'sh')).toThrow('only a script is debugged');
});

test('it waits before the program begins', async () => {
  const job = startDregrun(['-n', '2', '--debug', '1', PROGRAM, '1'], {
    environment: { DREG_DEBUG_PORT: '0' },
  });
  await until('the debugger is waited for', () => /ws:\/\/127.0.0.1:\d+/.test(job.told()));
  await until('the other rank has run', () => job.seen().includes('<0:'));
  expect(job.seen()).not.toContain('<1:');
  job.child.kill('SIGTERM');
  await job.ended;
});
