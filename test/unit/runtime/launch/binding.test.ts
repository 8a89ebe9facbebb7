import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { packageRoot } from '../../../../native/addon.ts';
import {
  allowedCpus,
  groupByCore,
  parseCpuList,
  planBinding,
} from '../../../../runtime/launch/binding.ts';
import { DREGRUN, dregrun, start } from '../../../tools/launcher.ts';
import { helpers } from '../../../tools/native/helpers.ts';

/** Two threads a core, numbered as most machines do: 0 and 4 are the first core. */
const hyperthreads = (cpu: number) => [cpu % 4, (cpu % 4) + 4];
const single = (cpu: number) => [cpu];

describe('cores', () => {
  test('the kernel’s lists of CPUs', () => {
    expect(parseCpuList('0-2,8\n')).toEqual([0, 1, 2, 8]);
    expect(parseCpuList('3')).toEqual([3]);
    expect(parseCpuList('')).toEqual([]);
    expect(parseCpuList('nonsense')).toEqual([]);
  });

  test('the threads of a core stay together, and only allowed ones count', () => {
    expect(groupByCore([0, 1, 2, 3, 4, 5, 6, 7], hyperthreads)).toEqual([
      [0, 4],
      [1, 5],
      [2, 6],
      [3, 7],
    ]);
    expect(groupByCore([1, 4, 5], hyperthreads)).toEqual([[1, 5], [4]]);
  });

  test('a CPU whose siblings are unknown is a core', () => {
    expect(groupByCore([0, 1], () => [])).toEqual([[0], [1]]);
  });
});

describe('the plan', () => {
  test('binds unasked only where each of several ranks gets a core of its own', () => {
    expect(planBinding(undefined, 1, [0, 1], single).binding).toBe('none');
    expect(planBinding(undefined, 2, [0, 1], single)).toEqual({
      binding: 'core',
      cores: 2,
      places: [[0], [1]],
    });
    expect(planBinding(undefined, 3, [0, 1], single)).toEqual({
      binding: 'none',
      cores: 2,
      places: [],
    });
    expect(planBinding(undefined, 5, [0, 1, 2, 3, 4, 5, 6, 7], hyperthreads).binding).toBe('none');
  });

  test('does what it is told', () => {
    expect(planBinding('none', 2, [0, 1], single).places).toEqual([]);
    expect(planBinding('core', 5, [0, 1], single).places).toEqual([[0], [1]]);
  });

  test('a machine that hides its CPUs is not bound', () => {
    expect(planBinding('core', 2, undefined)).toMatchObject({ binding: 'none', places: [] });
  });
});

describe('real ranks', () => {
  const where = ['--', 'grep', 'Cpus_allowed_list', '/proc/self/status'];
  const cpus = (stdout: string) =>
    [...stdout.matchAll(/\[(\d+)\] Cpus_allowed_list:\s*(\S+)/g)]
      .sort()
      .map(([, , list]) => parseCpuList(list));
  const mine = allowedCpus() ?? [];
  const cores = groupByCore(mine);

  test('--bind-to none leaves them all CPUs', async () => {
    const { stdout } = await dregrun(['-n', '2', '--bind-to', 'none', '--tag-output', ...where]);
    expect(cpus(stdout)).toEqual([mine, mine]);
  });

  test('--bind-to core gives each a core, in turn', async () => {
    const ranks = cores.length + 1;
    const { stdout } = await dregrun([
      ...['-n', String(ranks), '--bind-to', 'core', '--tag-output'],
      ...where,
    ]);
    const expected = Array.from({ length: ranks }, (_, rank) =>
      [...cores[rank % cores.length]].sort((a, b) => a - b),
    );
    expect(cpus(stdout)).toEqual(expected);
  });

  test('a job knows its cores though its ranks are bound', async () => {
    const { stdout } = await dregrun([
      ...['-n', '2', '--bind-to', 'core', '--'],
      ...['sh', '-c', 'echo $DREG_CORES $DREG_BIND'],
    ]);
    expect(stdout).toBe(`${cores.length} core\n`.repeat(2));
  });

  test('a kernel that refuses to bind is no matter, unless binding is asked for', async () => {
    helpers();
    const refusing = join(
      packageRoot(),
      'dist/programs/unit/runtime/launch/programs/forbidding.js',
    );
    const job = (...words: string[]) =>
      start(process.execPath, [refusing, 'schedSetaffinity', 'EPERM', DREGRUN, ...words]).ended;
    const script = ['-n', '2', '--', 'sh', '-c', 'echo $DREG_BIND'];
    expect(await job(...script)).toMatchObject({ status: 0, stdout: 'none\nnone\n', stderr: '' });
    const asked = await job('--bind-to', 'core', ...script);
    expect(asked).toMatchObject({ status: 1, stdout: '' });
    expect(asked.stderr).toMatch(/--bind-to core .*--bind-to none.*sched_setaffinity .*EPERM/);
  });
});
