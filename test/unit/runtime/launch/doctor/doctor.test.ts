import { cpSync, existsSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { packageRoot } from '../../../../../native/addon.ts';
import { parseArguments } from '../../../../../runtime/launch/command-line/parse.ts';
import type { Examination } from '../../../../../runtime/launch/doctor/doctor.ts';
import type { Finding } from '../../../../../runtime/launch/doctor/finding.ts';
import { DREGRUN, dregrun, start, survivors, temporaryFolder } from '../../../../tools/launcher.ts';
import { helpers } from '../../../../tools/native/helpers.ts';

const folder = temporaryFolder();
afterAll(() => folder.remove());

interface Seen extends Examination {
  status: number | null;
  parts: Record<string, Finding>;
}

function read(stdout: string, status: number | null): Seen {
  const found = JSON.parse(stdout) as Examination;
  const parts = found.groups.flatMap(({ findings }) => findings.map((one) => [one.part, one]));
  return { ...found, status, parts: Object.fromEntries(parts) };
}

/** What the doctor says in such an environment. */
async function examine(environment: NodeJS.ProcessEnv = {}, words: string[] = []): Promise<Seen> {
  const { status, stdout, stderr } = await dregrun(['--doctor', '--json', ...words], {
    environment: { DREG_TRANSPORT: '', DREG_MONITOR: '', ...environment },
  });
  expect(stderr).toBe('');
  return read(stdout, status);
}

/** What it says where the kernel refuses a call. */
async function without(call: string, errno: string): Promise<Seen> {
  helpers();
  const program = join(packageRoot(), 'dist/programs/unit/runtime/launch/programs/forbidding.js');
  const words = [program, call, errno, DREGRUN, '--doctor', '--json'];
  const { status, stdout, stderr } = await start(process.execPath, words).ended;
  expect(stderr).toBe('');
  return read(stdout, status);
}

describe('what it says', () => {
  test('for programs: each part with its state, the status says whether jobs work', async () => {
    const { status, ok, parts, version } = await examine();
    expect({ status, ok, version }).toEqual({ status: 0, ok: true, version: '0.1.0' });
    for (const part of ['Node', 'addon', 'transport', 'shared memory', 'cores', 'job over shm'])
      expect(parts[part], part).toMatchObject({ state: 'works' });
    expect(parts.Node.facts).toEqual({ version: process.version });
    for (const part of ['dreg', 'userfaultfd', 'monitor', 'pinned memory', 'io_uring'])
      expect(parts, part).toHaveProperty([part]);
    for (const part of ['libibverbs', 'librdmacm', 'libfabric', 'libpmix'])
      expect(parts).toHaveProperty([part]);
    expect(parts['pinned memory'].facts).toMatchObject({ bytes: expect.any(Number) });
  });

  test('for people: groups, aligned, and what to do where something is missing', async () => {
    const { status, stdout, stderr } = await dregrun(['--doctor', '-x', 'DREG_MONITOR=none'], {
      environment: { DREG_TRANSPORT: '' },
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const lines = stdout.trimEnd().split('\n');
    expect(lines[0]).toMatch(/^dreg-mpi 0\.1\.0 on /);
    for (const group of ['Every job', 'Within a node', 'Registered memory', 'RDMA between nodes'])
      expect(lines).toContain(group);
    const parts = lines.filter((line) => /^ {2}(ok|no|FAIL) /.test(line));
    const columns = parts.map((line) => /^ {2}\w+ +(?:\S+ )*?\S+ {2,}/.exec(line)?.[0].length);
    expect(new Set(columns).size).toBe(1);
    for (const [index, line] of lines.entries())
      if (/^ {2}(no|FAIL) /.test(line)) expect(lines[index + 1]).toMatch(/^ +to do: \S/);
    expect(lines.at(-1)).toMatch(/^(Everything|Jobs) works? here/);
  });

  test('nothing stays behind', async () => {
    const running = start(process.execPath, [DREGRUN, '--doctor']);
    expect((await running.ended).status).toBe(0);
    expect(survivors(running.mark)).toEqual([]);
  });
});

describe('what is missing', () => {
  test('process_vm_readv: jobs work, with two copies', async () => {
    const { status, parts } = await without('processVmReadv', 'EPERM');
    expect(status).toBe(0);
    expect(parts['job over shm'].state).toBe('works');
    expect(parts.process_vm_readv).toMatchObject({
      state: 'missing',
      says: expect.stringContaining('EPERM'),
      remedy: expect.stringContaining('ptrace_scope'),
    });
  });

  test('memfd_create: no job starts', async () => {
    const { status, ok, parts } = await without('memfdCreate', 'EPERM');
    expect({ status, ok }).toEqual({ status: 1, ok: false });
    expect(parts['shared memory']).toMatchObject({
      state: 'broken',
      says: expect.stringContaining('memfd_create failed with EPERM'),
    });
    expect(parts['job over shm']).toMatchObject({
      state: 'broken',
      says: expect.stringContaining('memfd_create'),
    });
  });

  test.each([
    ['EPERM', /seccomp/],
    ['ENOSYS', /CONFIG_USERFAULTFD/],
  ])('userfaultfd by %s: nothing is cached, or dreg does it', async (errno, remedy) => {
    const { status, parts } = await without('userfaultfd', errno);
    expect(status).toBe(0);
    expect(parts.userfaultfd).toMatchObject({
      state: 'missing',
      says: expect.stringContaining(errno),
      remedy: expect.stringMatching(remedy),
    });
    const withoutModule = !existsSync('/dev/dreg');
    if (withoutModule) expect(parts.monitor.facts).toEqual({ asked: 'auto', name: 'none' });
  });

  test('io_uring', async () => {
    const { status, parts } = await without('ioUringSetup', 'EPERM');
    expect(status).toBe(0);
    expect(parts.io_uring).toMatchObject({ state: 'missing', facts: { code: 'ERR_UNSUPPORTED' } });
  });

  test('the addon: nothing else is looked at', async () => {
    const root = join(folder.path, 'package');
    for (const part of ['package.json', 'dist/bundle'])
      cpSync(join(packageRoot(), part), join(root, part), { recursive: true });
    symlinkSync(join(packageRoot(), 'node_modules'), join(root, 'node_modules'));
    const command = join(root, 'dist/bundle/dregrun.js');
    const { status, stdout } = await start(process.execPath, [command, '--doctor', '--json']).ended;
    const { ok, parts } = read(stdout, status);
    expect({ status, ok }).toEqual({ status: 1, ok: false });
    expect(Object.keys(parts)).toEqual(['addon']);
    expect(parts.addon.remedy).toContain('npm run build:native');
  });

  test('little memory that may be pinned', async () => {
    const { status, parts } = await examine({ DREG_PIN_BYTES: '1M' });
    expect(status).toBe(0);
    expect(parts['pinned memory']).toMatchObject({
      state: 'missing',
      says: 'only 1 MiB: DREG_PIN_BYTES',
      remedy: 'set a larger DREG_PIN_BYTES',
      facts: { bytes: 2 ** 20, source: 'DREG_PIN_BYTES' },
    });
  });
});

describe('what the environment asks for is needed', () => {
  test.runIf(!existsSync('/dev/dreg'))('the monitor dreg without its module', async () => {
    const { status, parts } = await examine({ DREG_MONITOR: 'dreg' });
    expect(status).toBe(1);
    expect(parts.dreg).toMatchObject({
      state: 'broken',
      remedy: expect.stringContaining('modprobe dreg'),
    });
  });

  test.runIf(!existsSync('/sys/class/infiniband'))('RDMA without a device', async () => {
    const { status, parts } = await examine({}, ['--transport', 'verbs']);
    expect(status).toBe(1);
    expect(parts.devices).toMatchObject({
      state: 'broken',
      remedy: expect.stringContaining('rdma link add'),
    });
    expect(parts['port in use'].state).toBe('broken');
    // Shared memory is looked at all the same.
    expect(parts['job over shm'].state).toBe('works');
  });

  test.each([
    ['DREG_TRANSPORT', 'pigeon', 'transport'],
    ['DREG_MONITOR', 'owl', 'monitor'],
    ['DREG_PIN_BYTES', 'much', 'pinned memory'],
  ])('%s=%s is named', async (name, value, part) => {
    const { status, parts } = await examine({ [name]: value });
    expect(status).toBe(1);
    expect(parts[part]).toMatchObject({ state: 'broken', facts: { code: 'ERR_ARG' } });
    expect(parts[part].says).toContain(value);
  });
});

test('it runs no program', () => {
  expect(() => parseArguments(['--doctor', 'app.js'])).toThrow(/runs no program.*"app.js"/);
  expect(parseArguments(['--json', '--doctor'])).toMatchObject({ kind: 'doctor', json: true });
});
