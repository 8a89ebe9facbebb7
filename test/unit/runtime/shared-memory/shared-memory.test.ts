/** Memory of one process that others could have: what it is, and its names. */

import { constants } from 'node:buffer';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  closeSync,
  existsSync,
  fstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { addon, packageRoot } from '../../../../native/addon.ts';
import { MpiError } from '../../../../runtime/base/error.ts';
import { SharedMemory } from '../../../../runtime/shared.ts';
import { Names } from '../../../../runtime/shared-memory/names.ts';
import { codeOf } from '../../../tools/error-code.ts';
import { hasSharedBuffers } from '../../../tools/shared-buffers.ts';

describe('memory', () => {
  test('is zero, of any length, and the same wherever it is opened', () => {
    const memory = SharedMemory.create(4097);
    const bytes = new Uint8Array(memory.buffer);
    expect([bytes.length, bytes.every((byte) => byte === 0)]).toEqual([4097, true]);
    const again = SharedMemory.open(memory.fd);
    new Uint8Array(again.buffer)[4096] = 9;
    expect(bytes[4096]).toBe(9);
    again.close();
    memory.close();
    // Its arrays keep it.
    expect(bytes[4096]).toBe(9);
  });

  test("is nobody else's, and stays as long as it is", () => {
    using memory = SharedMemory.create(8192);
    expect(fstatSync(memory.fd).mode & 0o777).toBe(0o600);
    expect(fstatSync(memory.fd).blocks * 512).toBe(8192);
    expect(addon().segmentFixed(memory.fd)).toBe(1);
  });

  test.each([0, -1, 0.5, Number.NaN, 2 ** 53, '8' as never])('%s bytes are none', (bytes) => {
    expect(codeOf(() => SharedMemory.create(bytes))).toBe('ERR_COUNT');
  });

  test('more than there is', async () => {
    const code = 2 ** 46 > constants.MAX_LENGTH ? 'ERR_UNSUPPORTED' : 'ERR_NO_MEM';
    const before = readdirSync('/proc/self/fd').length;
    expect(codeOf(() => SharedMemory.create(2 ** 46))).toBe(code);
    expect(readdirSync('/proc/self/fd').length).toBe(before);
  });

  test('a descriptor of something else', async () => {
    const before = readdirSync('/proc/self/fd').length;
    const plain = openSync(process.execPath, 'r');
    const growing = addon().segmentCreate('test', 4096);
    addon().segmentSeal(growing);
    for (const fd of [plain, growing]) expect(codeOf(() => SharedMemory.open(fd))).toBe('ERR_ARG');
    closeSync(plain);
    addon().closeFd(growing);
    expect(codeOf(() => SharedMemory.open(growing))).toBe('ERR_SYSTEM');
    for (const bad of [-1, 0.5, null as never, {} as never])
      expect(codeOf(() => SharedMemory.open(bad))).toBe('ERR_ARG');
    expect(readdirSync('/proc/self/fd').length).toBe(before);
  });

  test('an error is an MpiError, whichever entry it comes from', async () => {
    const { MpiError: Other, SharedMemory: Bundled } = await import(
      join(packageRoot(), 'dist/bundle/shared.js')
    );
    expect(Other).not.toBe(MpiError);
    expect(() => Bundled.create(0)).toThrow(MpiError);
    expect(new MpiError('ERR_ARG', '')).toBeInstanceOf(Other);
    expect(new TypeError()).not.toBeInstanceOf(Other);
    class Own extends MpiError {}
    expect(new MpiError('ERR_ARG', '')).not.toBeInstanceOf(Own);
    expect(new Own('ERR_ARG', '')).toBeInstanceOf(Other);
  });

  test('it is a SharedArrayBuffer where Node has one', () => {
    using memory = SharedMemory.create(8);
    expect(memory.buffer instanceof SharedArrayBuffer).toBe(hasSharedBuffers());
    expect(memory.buffer instanceof ArrayBuffer).toBe(!hasSharedBuffers());
  });
});

describe('names', () => {
  let top: string;
  let folder: string;
  let names: Names;
  const fds: number[] = [];
  beforeEach(() => {
    top = mkdtempSync(join(tmpdir(), 'dreg-names-'));
    folder = join(top, 'names');
    names = new Names(folder);
  });
  afterEach(() => {
    for (const fd of fds.splice(0)) addon().closeFd(fd);
    rmSync(top, { recursive: true });
  });
  const file = () => {
    const fd = addon().segmentCreate('test', 4096);
    fds.push(fd);
    return fd;
  };

  test('a name is there as long as somebody has the memory', async () => {
    const fd = file();
    names.give('a', fd);
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    expect(statSync(join(folder, 'a')).mode & 0o777).toBe(0o600);
    const other = names.open('a');
    fds.push(other);
    expect(fstatSync(other).ino).toBe(fstatSync(fd).ino);
    expect(codeOf(() => names.give('a', file()))).toBe('ERR_ARG');
    names.leave('a', fd);
    expect(readdirSync(folder)).toEqual(['a']);
    names.leave('a', other);
    expect(existsSync(folder)).toBe(false);
    expect(codeOf(() => names.open('a'))).toBe('ERR_ARG');
    expect(existsSync(folder)).toBe(false);
  });

  test('who had a name before takes nothing from who has it now', () => {
    const old = file();
    names.give('a', old);
    const copy = addon().fdDuplicate(old);
    addon().closeFd(fds.pop()!);
    const fd = file();
    names.give('a', fd);
    names.leave('a', copy);
    addon().closeFd(copy);
    expect(readdirSync(folder)).toEqual(['a']);
  });

  test('names whose owners are gone, and what was written halfway, mean nothing', () => {
    mkdirSync(folder, { mode: 0o700 });
    const gone = `${fstatSync(file()).ino}\n4194303 3\n`;
    for (const [name, text] of Object.entries({
      stale: gone,
      empty: '',
      odd: 'x\n1 y\n',
      '.new': gone,
    }))
      writeFileSync(join(folder, name), text);
    names.give('a', file());
    expect(readdirSync(folder)).toEqual(['a']);
  });

  test.each(['', '.', '..', '.a', 'a/b', 'ä', 'a\0', 'x'.repeat(201), 5 as never])(
    '%j is none',
    (name) => {
      expect(codeOf(() => names.give(name, file()))).toBe('ERR_ARG');
      expect(codeOf(() => names.open(name))).toBe('ERR_ARG');
    },
  );

  test('a folder that others can write to is not used', async () => {
    mkdirSync(folder);
    chmodSync(folder, 0o777);
    await expect(async () => names.give('a', file())).rejects.toThrow(
      /has the mode 777: it must be/,
    );
    chmodSync(folder, 0o700);
    names.give('a', file());
  });

  test('a process that holds the lock and is stopped is named as the reason', async () => {
    const fd = file();
    names.give('a', fd);
    const child = spawn('flock', [folder, 'sh', '-c', 'echo locked; read -r line'], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    await once(child.stdout, 'data');
    expect(() => names.leave('a', fd, 20)).toThrow(/are locked by another process/);
    child.stdin.end('\n');
    await once(child, 'exit');
    names.leave('a', fd);
    expect(existsSync(folder)).toBe(false);
  });
});
