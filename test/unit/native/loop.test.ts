/** Whether the program may go on by itself, as the event loop's handles say; in a process of its own each. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { packageRoot } from '../../../native/addon.ts';

const MODULE = JSON.stringify(join(packageRoot(), 'dist/native/loop.js'));

const BUSY = {
  'a timer': 'setTimeout(() => {}, 9e5);',
  'a timer that keeps nothing alive': 'setInterval(() => {}, 9e5).unref();',
  'a deadline': 'AbortSignal.timeout(9e5);',
  'a server': 'await new Promise((r) => net.createServer().listen(0, r).unref());',
  'a handler of a signal': "process.on('SIGUSR2', () => {});",
  'a child process': "cp.spawn('sleep', ['9']).unref();",
  'a worker that keeps nothing alive':
    "new wt.Worker('setInterval(() => {}, 9e5)', { eval: true }).unref();",
  'work in the thread pool': "crypto.pbkdf2('a', 'b', 3e6, 64, 'sha512', () => {});",
};

/** What loopIsIdle() says some turns of the event loop after so much of a program has run. */
function isIdle(program: string): boolean {
  const source = `
    import cp from 'node:child_process';
    import crypto from 'node:crypto';
    import net from 'node:net';
    import wt from 'node:worker_threads';
    import { loopIsIdle } from ${MODULE};
    loopIsIdle();
    ${program}
    const turns = async (count) => {
      for (; count > 0; count--) await new Promise((resolve) => setImmediate(resolve));
    };
    await turns(20);
    console.log(loopIsIdle());
    process.exit();`;
  return (
    execFileSync(process.execPath, ['--input-type=module', '-e', source]).toString() === 'true\n'
  );
}

test.each(Object.entries(BUSY))('%s', (_, program) => {
  expect(isIdle(program)).toBe(false);
});

test.each([
  ['nothing', ''],
  ['garbage that V8 has timers of its own for', 'for (let i = 0; i < 1e6; i++) ({}).a = [i];'],
  ['a worker that has ended', "await new wt.Worker('', { eval: true }).terminate();"],
  ['a promise that nobody ever settles', 'new Promise(() => {}).then(() => {});'],
])('%s', (_, program) => {
  expect(isIdle(program)).toBe(true);
});
