/** How jobs end, and what dregrun's status says about it. */
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import {
  dregrun,
  type Ended,
  fixture,
  startDregrun,
  survivors,
  temporaryFolder,
} from '../../../tools/launcher.ts';

const folder = temporaryFolder();
afterAll(() => folder.remove());

const ACT = fixture('act.mjs');
const sh = (script: string) => ['--', 'sh', '-c', script];

/** The outcome that --json prints as the last line of stderr. */
function outcomeOf(ended: Ended) {
  return JSON.parse(ended.stderr.trimEnd().split('\n').at(-1) ?? '');
}

describe('a job that goes well', () => {
  test('has status 0, and a rank that never heard of MPI is welcome', async () => {
    expect((await dregrun(['-n', '2', 'true'])).status).toBe(0);
    expect(await dregrun(['-n', '2', ACT, 'none'])).toMatchObject({ status: 0, stderr: '' });
  });

  test('is told as one JSON object', async () => {
    const ended = await dregrun(['-n', '2', '--json', ACT, 'none']);
    const rank = { status: 0, signal: null, initialized: true, finalized: true };
    expect(outcomeOf(ended)).toMatchObject({
      ...{ size: 2, reason: 'finished', status: 0, rank: null, message: null, program: ACT },
      ranks: [
        { rank: 0, ...rank },
        { rank: 1, ...rank },
      ],
    });
  });
});

describe('a rank that fails ends the job with its status', () => {
  test.each([
    ['exit:7', 7, 'exit', 'rank 1 .* status 7'],
    ['exit:0', 1, 'unfinalized', 'rank 1 .* without MPI.finalize'],
    ['after:5', 5, 'exit', 'rank 1 .* status 5'],
    ['finalize:0', 1, 'deadlock', 'rank [02] waits in a barrier for rank 1'],
    ['abort:9', 9, 'abort', 'rank 1 aborted the job with code 9'],
    ['abort:0', 1, 'abort', 'rank 1 aborted the job with code 0'],
    ['kill:SIGKILL', 137, 'signal', 'rank 1 .* SIGKILL'],
    ['kill:SIGSEGV', 139, 'signal', 'rank 1 .* SIGSEGV'],
  ])('%s', async (what, status, reason, message) => {
    const job = startDregrun(['-n', '3', '--json', ACT, what]);
    const ended = await job.ended;
    expect(ended.status).toBe(status);
    expect(outcomeOf(ended)).toMatchObject({ reason, status });
    expect(ended.stderr).toMatch(new RegExp(`dregrun: ${message}`));
    expect(survivors(job.mark)).toEqual([]);
  });

  test('an abort as MPICH 4.1 and newer write it', async () => {
    const said = 'message=application called MPI_Abort(MPI_COMM_WORLD, 7) - process 1';
    const ended = await dregrun([
      ...['-n', '2', '--json'],
      ...sh(`[ $PMI_RANK = 0 ] || echo "cmd=abort exitcode=7 ${said}" >&3; exec sleep 1000`),
    ]);
    expect(ended.status).toBe(7);
    expect(outcomeOf(ended)).toMatchObject({ reason: 'abort', rank: 1 });
  });

  test('also where it ended before it joined, and others wait for it', async () => {
    const ended = await dregrun([
      ...['-n', '2', '--json'],
      ...sh(`[ $PMI_RANK = 1 ] || exec "${process.execPath}" "${ACT}" none`),
    ]);
    expect(ended.status).toBe(1);
    expect(outcomeOf(ended)).toMatchObject({ reason: 'deadlock' });
  });

  test('the first failure counts, not its consequences', async () => {
    const script = 'trap "exit 33" TERM; if [ $PMI_RANK = 2 ]; then exit 4; fi; sleep 1000 & wait';
    const ended = await dregrun(['-n', '3', '--json', ...sh(script)]);
    expect(ended.status).toBe(4);
    expect(outcomeOf(ended)).toMatchObject({ reason: 'exit', rank: 2 });
  });

  test('a rank that ignores SIGTERM is killed', async () => {
    // Rank 1 fails when rank 0 has its trap.
    const file = join(folder.path, 'trapped');
    const script = `trap "" TERM
      if [ $PMI_RANK = 1 ]; then while [ ! -e ${file} ]; do sleep 0.01; done; exit 3; fi
      >${file}; while :; do sleep 0.05; done`;
    const job = startDregrun(['-n', '2', '--json', ...sh(script)]);
    const ended = await job.ended;
    expect(ended.status).toBe(3);
    expect(outcomeOf(ended).ranks[0].signal).toBe('SIGKILL');
    expect(survivors(job.mark)).toEqual([]);
  });
});

describe('what cannot start', () => {
  test.each([
    [['-n', '2', 'dreg-no-such-program'], 127, 'dreg-no-such-program'],
    [['-n', '2', './missing.mjs'], 127, './missing.mjs'],
    [['-n', '2', '/etc/passwd'], 126, '/etc/passwd'],
    [['-n', '2', '/tmp'], 126, '/tmp'],
    [['-n', '2', fixture('no-interpreter.sh')], 127, 'no-interpreter.sh'],
    [['-n', 'two', 'true'], 2, '-n two'],
    [['-n', '260', ACT], 2, '250 ranks'],
    [['--wdir', '/dreg-nowhere', 'true'], 2, '/dreg-nowhere'],
    [[], 2, 'no program'],
  ])('%j', async (words, status, named) => {
    const ended = await dregrun(words);
    expect(ended.status).toBe(status);
    expect(ended.stderr).toMatch(/^dregrun: /);
    expect(ended.stderr).toContain(named);
    expect(ended.stdout).toBe('');
  });
});

test('--timeout ends the job with 124', async () => {
  const job = startDregrun(['-n', '2', '--timeout', '0.5', ACT, 'sleep']);
  const ended = await job.ended;
  expect(ended.status).toBe(124);
  expect(ended.stderr).toContain('0.5 s');
  expect(survivors(job.mark)).toEqual([]);
});

test('a job in time is not touched by --timeout', async () => {
  expect(await dregrun(['-n', '2', '--timeout', '60', 'true'])).toMatchObject({ status: 0 });
});

test('--help and --version answer on stdout', async () => {
  expect(await dregrun(['--help'])).toMatchObject({
    status: 0,
    stdout: expect.stringContaining('usage: dregrun'),
    stderr: '',
  });
  expect((await dregrun(['--version'])).stdout).toMatch(/^dregrun \d+\.\d+\.\d+\n$/);
});

describe('what a rank finds', () => {
  test('its environment: PMI, the job, -x, --transport; nothing of another launcher', async () => {
    const names =
      'MPI_LOCALRANKID MPI_LOCALNRANKS PMI_FD PMI_SIZE DREG_TRANSPORT A PMIX_RANK PMI_ID DREG_LAUNCHER_PID DREG_JOB_ID';
    const script = `for n in ${names}; do eval "echo $n=\\$$n"; done`;
    const { stdout } = await dregrun(
      ['-n', '1', '-x', 'A=x y', '--transport', 'shm', ...sh(script)],
      { environment: { PMIX_RANK: '4', PMI_ID: '3', PMI_FD: '9', DREG_JOB_ID: 'outer' } },
    );
    const found = Object.fromEntries(
      stdout
        .trimEnd()
        .split('\n')
        .map((line) => line.split('=')),
    );
    expect(found).toMatchObject({ PMI_FD: '3', PMI_SIZE: '1', DREG_TRANSPORT: 'shm', A: 'x y' });
    expect(found).toMatchObject({ PMIX_RANK: '', PMI_ID: '' });
    expect(found).toMatchObject({ MPI_LOCALRANKID: '0', MPI_LOCALNRANKS: '1' });
    expect(found.DREG_JOB_ID).toBe(
      `dreg_${found.DREG_LAUNCHER_PID}_${found.DREG_JOB_ID.slice(-12)}`,
    );
  });

  test('--wdir, while the program is named from here', async () => {
    const { stdout } = await dregrun(
      ['-n', '2', '--wdir', '/', 'test/unit/runtime/launch/fixtures/where.sh'],
      {
        cwd: process.cwd(),
      },
    );
    expect(stdout).toBe('/\n/\n');
  });
});
