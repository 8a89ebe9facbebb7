/** The addon where Node-API refuses: in threads that are terminated, and what is too large for it. */
import { constants } from 'node:buffer';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { packageRoot } from '../../../native/addon.ts';

const ADDON = join(packageRoot(), 'native/build/Release/dreg_mpi.node');
const PROGRAM = join(packageRoot(), 'dist/programs/unit/native/programs/terminate.js');

// Node-API refuses conversions and new objects there, and answers with nothing.
test.each(['vmaQuery', 'descriptors', 'mappings', 'watchers', 'process', 'userfaultfd', 'verbs'])(
  '%s: a thread terminated in the middle of a call is no crash',
  (name) => {
    const ended = spawnSync(process.execPath, [PROGRAM, name], { encoding: 'utf8' });
    expect(ended).toMatchObject({ stderr: '', signal: null, status: 0, stdout: 'through\n' });
  },
);

test('memory of which no ArrayBuffer can be made is given back once', () => {
  const words = `
    const { mapFd } = require(${JSON.stringify(ADDON)});
    const fd = require('node:fs').openSync('/proc/self/exe', 'r');
    for (let i = 0; i < 3; i++) {
      const made = mapFd(fd, 0, 2 ** 32 + 4096, false);
      process.stdout.write(typeof made === 'number' ? 'none ' : 'one ');
    }`;
  const ended = spawnSync(process.execPath, ['-e', words], { encoding: 'utf8' });
  const expected = constants.MAX_LENGTH > 2 ** 32 ? 'one one one ' : 'none none none ';
  expect(ended).toMatchObject({ stderr: '', signal: null, status: 0, stdout: expected });
});
