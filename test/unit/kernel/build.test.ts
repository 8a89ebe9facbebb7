// What is built from kernel/: without a warning of the compiler or of sparse, and installable.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { guestsCanRun } from '../../guest/harness/bridge.ts';
import { run } from '../../guest/harness/command.ts';
import { PACKAGED_KERNELS, type PackagedKernel } from '../../guest/harness/kernels.ts';
import { CHECKOUT } from '../../guest/harness/paths.ts';
import { setUp } from '../../guest/harness/setup.ts';

const BUILD_TIMEOUT_MS = 180_000;
/** Cold, the set-up downloads two kernels. */
const SETUP_TIMEOUT_MS = 900_000;

/** The others are downloaded and built for in `npm run test:full`. */
const KERNELS = process.env.DREG_TESTS === 'full' ? PACKAGED_KERNELS : (['6.1'] as const);

/** Without its headers libdreg-ofi is not built; where nothing may be skipped they have to be there. */
const LIBFABRIC = process.env.CI !== undefined || existsSync('/usr/include/rdma/fi_ext.h');

const SOURCES = join(CHECKOUT, 'kernel');

let scratch: string;
beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), 'dreg-build-'));
});
afterAll(() => rmSync(scratch, { recursive: true }));

/** `make check` for one kernel: W=1 and sparse, where each warning is an error. */
async function check(name: PackagedKernel, sources: string, variables: string[]): Promise<string> {
  const kernel = (await setUp({ kernels: [name] })).get(name)!;
  const out = mkdtempSync(join(scratch, 'module-'));
  // No pahole here, so no BTF: 6.12's headers would ask for it.
  const paths = [`KDIR=${kernel.headers}`, `OUT=${out}`, 'CONFIG_DEBUG_INFO_BTF_MODULES='];
  await run('make', ['-j2', '-C', sources, ...paths, ...variables, 'check']);
  return join(out, 'dreg.ko');
}

async function parametersOf(module: string): Promise<string[]> {
  const { stdout } = await run('modinfo', ['-p', module]);
  return stdout
    .trim()
    .split('\n')
    .map((line) => line.replace(/:.*/, ''));
}

/** The masks of array_index_nospec(): MONITOR and UNMONITOR each take a slot from user space. */
async function masksIn(module: string): Promise<number> {
  const { stdout } = await run('objdump', ['-d', '--no-show-raw-insn', module]);
  return [...stdout.matchAll(/\tsbb +(%r\w+),\1\n/g)].length;
}

/** The sources with one line changed. */
async function planted(file: string, from: string, to: string): Promise<string> {
  const copy = mkdtempSync(join(scratch, 'planted-'));
  await run('cp', ['-r', `${SOURCES}/.`, copy]);
  const text = readFileSync(join(copy, file), 'utf8');
  expect(text).toContain(from);
  writeFileSync(join(copy, file), text.replace(from, to));
  return copy;
}

if (guestsCanRun('building dreg.ko')) {
  beforeAll(async () => {
    await setUp({ kernels: KERNELS });
  }, SETUP_TIMEOUT_MS);

  describe.each(KERNELS)('dreg.ko for %s', (name) => {
    test(
      'has no warning of the compiler (W=1) or sparse, and no test switch',
      async () => {
        const module = await check(name, SOURCES, []);
        const limits = ['max_slots', 'max_user_contexts', 'max_user_ranges', 'max_user_slots'];
        expect((await parametersOf(module)).sort()).toEqual(limits);
        expect(await masksIn(module)).toBe(2);
      },
      BUILD_TIMEOUT_MS,
    );

    test(
      'has none with the test switches either',
      async () => {
        const parameters = await parametersOf(await check(name, SOURCES, ['DREG_TEST=1']));
        expect(parameters).toContain('test_late_us');
      },
      BUILD_TIMEOUT_MS,
    );
  });

  test(
    'a pointer into user space that is taken for the kernel is noticed',
    async () => {
      const sources = await planted(
        'batch.c',
        'struct dreg_range __user *ranges;',
        'struct dreg_range *ranges;',
      );
      await expect(check('6.1', sources, [])).rejects.toThrow(/different address spaces/);
    },
    BUILD_TIMEOUT_MS,
  );
}

describe('libdreg', () => {
  let root: string;
  beforeAll(async () => {
    root = mkdtempSync(join(scratch, 'root-'));
    // From a copy, since the library is built where its sources are.
    const sources = mkdtempSync(join(scratch, 'libdreg-'));
    await run('cp', ['-r', `${SOURCES}/.`, sources]);
    await run('make', ['-C', sources, 'install', `DESTDIR=${root}`, 'PREFIX=/usr']);
  }, BUILD_TIMEOUT_MS);

  test('make install puts everything in its place', () => {
    const files = readdirSync(root, { recursive: true, encoding: 'utf8' });
    for (const name of [
      'usr/lib/libdreg.a',
      'usr/lib/libdreg.so',
      'usr/lib/libdreg.so.1',
      'usr/lib/pkgconfig/libdreg.pc',
      ...(LIBFABRIC ? ['usr/lib/libdreg-ofi.so.1', 'usr/lib/libdreg-ofi-preload.so'] : []),
      'usr/include/dreg/dreg.h',
      'usr/include/dreg/libdreg.h',
      'usr/share/man/man3/libdreg.3',
      'usr/lib/udev/rules.d/60-dreg.rules',
      'usr/lib/modules-load.d/dreg.conf',
      'usr/lib/modprobe.d/dreg.conf',
    ])
      expect(files).toContain(name);
    const rule = readFileSync(join(root, 'usr/lib/udev/rules.d/60-dreg.rules'), 'utf8');
    expect(rule).toContain('MODE="0666"');
  });

  const program = `#include <libdreg.h>
    int main(void) {
      struct dreg d;
      if (dreg_open(&d, 3) >= 0) return 1; /* not a power of two */
      return 0;
    }`;

  test.each([
    ['C', 'gcc', 'program.c', '-std=c11'],
    ['C++', 'g++', 'program.cpp', '-std=c++17'],
  ])('a %s program is built against what is installed, and runs', async (_, cc, file, standard) => {
    const source = join(scratch, file);
    writeFileSync(source, program);
    const binary = `${source}.out`;
    const flags = [`-I${root}/usr/include/dreg`, `-L${root}/usr/lib`, '-ldreg'];
    const strict = [standard, '-Wall', '-Wextra', '-Wpedantic', '-Werror'];
    await run(cc, [...strict, '-o', binary, source, ...flags]);
    const { status } = await run(binary, [], { env: { LD_LIBRARY_PATH: `${root}/usr/lib` } });
    expect(status).toBe(0);
  });

  test('the pkg-config file names the folders that things are in', () => {
    const pc = readFileSync(join(root, 'usr/lib/pkgconfig/libdreg.pc'), 'utf8');
    const value = (name: string) => new RegExp(`^${name}[=:] *(.*)$`, 'm').exec(pc)?.[1];
    expect(value('libdir')).toBe('/usr/lib');
    expect(value('Libs')).toBe(`-L\${libdir} -ldreg`);
    expect(value('Cflags')).toBe(`-I\${includedir}/dreg`);
    expect(existsSync(join(root, value('includedir')!, 'dreg', 'libdreg.h'))).toBe(true);
    expect(pc).not.toContain('@');
  });
});
