/** Ranks of a launcher that speaks PMIx, where something is not as it should be (Debian: openmpi-bin). */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { packageRoot } from '../../../../native/addon.ts';
import { canTest, fixture, start, temporaryFolder } from '../../../tools/launcher.ts';
import { OPEN_MPI } from './launchers/launchers.ts';

const folder = temporaryFolder();
afterAll(() => folder.remove());

function mpirun(ranks: number, words: string[], environment: NodeJS.ProcessEnv = {}) {
  const [file, ...rest] = OPEN_MPI.command(ranks);
  return start(file, [...rest, process.execPath, ...words], { environment }).ended;
}

/** The variables of a rank whose launcher has ended. */
async function leftOver(): Promise<NodeJS.ProcessEnv> {
  const file = join(folder.path, 'environment');
  const script = `require('fs').writeFileSync(${JSON.stringify(file)}, JSON.stringify(process.env))`;
  await mpirun(1, ['-e', script]);
  const all = JSON.parse(readFileSync(file, 'utf8')) as NodeJS.ProcessEnv;
  return Object.fromEntries(Object.entries(all).filter(([name]) => name.startsWith('PMIX_')));
}

const alone = (environment: NodeJS.ProcessEnv) =>
  start(process.execPath, [fixture('act.mjs'), 'none'], { environment }).ended;

describe.skipIf(!canTest(OPEN_MPI.needs))('a launcher that speaks PMIx', () => {
  test('without the library, each rank says what to install', async () => {
    const environment = { DREG_PMIX_LIBRARY: 'libpmix-is-not-here.so' };
    const { status, stdout } = await mpirun(2, [fixture('joins.mjs')], environment);
    expect(stdout).toMatch(
      /^ERR_LAUNCH rank \d was started by a launcher that speaks PMIx .*install libpmix2/m,
    );
    expect(stdout).not.toContain('joined');
    expect(status).not.toBe(0);
  });

  test('which has ended is ERR_LAUNCH', async () => {
    const { status, stdout } = await alone(await leftOver());
    expect(stdout).toMatch(/^ERR_LAUNCH: rank 0: PMIx_Init failed .*it may have ended/m);
    expect(status).toBe(70);
  });

  test('whose port another program has, that says nothing, is ERR_LAUNCH', async () => {
    const mute = createServer(() => {});
    await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve));
    const { port } = mute.address() as { port: number };
    const variables = Object.entries(await leftOver()).map(([name, value]) => [
      name,
      /^PMIX_SERVER_URI/.test(name) ? value?.replace(/:\d+$/, `:${port}`) : value,
    ]);
    const { stdout } = await alone({
      ...Object.fromEntries(variables),
      PMIX_MCA_ptl_base_handshake_wait_time: '1',
    });
    mute.close();
    expect(stdout).toMatch(/^ERR_LAUNCH: rank 0: PMIx_Init failed/m);
  });

  test('a child of a rank cannot be that rank as well: the first to come is', async () => {
    const { status, stdout } = await mpirun(2, [fixture('forks.mjs'), 'held']);
    expect(
      stdout.match(/^ERR_LAUNCH another process is rank \d of this job already/gm),
    ).toHaveLength(2);
    expect(stdout.match(/the parent joined 2/g)).toHaveLength(2);
    expect(status).toBe(0);
  });
});

/** Where Debian's libpmix-dev has its headers. */
const HEADERS = '/usr/lib/x86_64-linux-gnu/pmix2/include';

describe.skipIf(process.env.CI !== 'true' && !existsSync(HEADERS))(
  'what a PMIx server says of a lost process (Debian: libpmix-dev)',
  () => {
    const server = join(folder.path, 'server');
    beforeAll(() => {
      const source = join(packageRoot(), 'test/unit/runtime/job/pmix/server.c');
      const words = ['-Wall', '-Werror', '-I', HEADERS, '-o', server, source, '-l:libpmix.so.2'];
      execFileSync('gcc', words);
    });

    test.each(['blocked', 'awaiting'])(
      'ends the operation that waits for it, and those that follow (%s)',
      async (how) => {
        const place = join(folder.path, how);
        mkdirSync(place);
        const words = ['2', '1', join(place, 'joined'), process.execPath];
        const { status, stdout } = await start(
          server,
          [...words, fixture('loses.mjs'), how, place],
          { environment: { DREG_DEADLOCK_MS: '0' } },
        ).ended;
        expect(stdout).toMatch(
          /^ERR_PEER_FAILED 1 .*the launcher says that its process has ended .*\nthen ERR_PEER_FAILED\n$/,
        );
        expect(status).toBe(0);
      },
    );
  },
);
