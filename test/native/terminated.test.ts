/** The addon in threads that are terminated while they are inside it. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { packageRoot } from '../../native/addon.ts';

const PROGRAM = join(packageRoot(), 'dist/test/native/terminate.js');

// Node-API refuses conversions and new objects there, and answers with nothing.
test.each(['vmaQuery', 'descriptors', 'mappings', 'watchers', 'process', 'userfaultfd', 'verbs'])(
  '%s: a thread terminated in the middle of a call is no crash',
  (name) => {
    const ended = spawnSync(process.execPath, [PROGRAM, name], { encoding: 'utf8' });
    expect(ended).toMatchObject({ stderr: '', signal: null, status: 0, stdout: 'through\n' });
  },
);
