/** The jobs that run over two guests. */
import assert from 'node:assert/strict';
import type { Case } from './jobs.ts';

const random = (rndv: string, transport: string, ranksPerNode: number, rounds: number): Case => ({
  name: `random sizes, ${transport}, DREG_RNDV=${rndv}, ${2 * ranksPerNode} ranks`,
  program: 'programs/guest/nodes/programs/random',
  words: [String(rounds), String(ranksPerNode), 'verbs', transport === 'auto' ? 'shm' : transport],
  ranksPerNode,
  environment: { DREG_RNDV: rndv, DREG_TRANSPORT: transport, DREG_MONITOR: 'dreg' },
});

/** An example by its JSON rows: every one is there, with the sizes that were asked for. */
function example(name: string, transport: string, modes: string[], sizes: number[]): Case {
  const options = ['--modes', modes.join(','), '--sizes', sizes.join(','), '--quick'];
  return {
    name: `${name} --transport ${transport}`,
    program: `examples/${name}`,
    words: ['--json', '--transport', transport, ...options],
    ranksPerNode: 1,
    check: ([{ rank, stdout }]) => {
      const rows = stdout
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line));
      // Rank 0 speaks for both.
      const wanted = modes.flatMap((mode) => sizes.map((bytes) => [mode.split('-')[0], bytes]));
      assert.deepEqual(
        rows.map(({ mode, bytes }) => [mode, bytes]),
        rank === 0 ? wanted : [],
      );
      for (const { ns, best } of rows) assert(ns >= best && best > 0, stdout);
    },
  };
}

/** The memory manager's own operations, with rank 1 at the other end. */
const stale = (name: string, monitor: string, operations: string[] = []): Case => ({
  name,
  program: 'programs/guest/nodes/programs/stale',
  words: [monitor, ...operations],
  ranksPerNode: 1,
  // What the ranks tell each other has nothing to do with what is tested.
  environment: { DREG_TRANSPORT: 'verbs', DREG_RNDV: 'copy', DREG_MONITOR: 'none' },
});

/** Allocates, sends, receives, frees, remaps and collects in a random order, with little to pin. */
const soak = (operations: number): Case => ({
  ...stale('soak', 'dreg', [String(operations)]),
  notice: /^dreg-mpi: no more than 4 MiB can be pinned .*\n/m,
});

const reused = (rndv: string): Case => ({
  name: `messages by ${rndv}`,
  program: 'programs/guest/nodes/programs/reused',
  ranksPerNode: 1,
  environment: { DREG_TRANSPORT: 'verbs', DREG_RNDV: rndv, DREG_MONITOR: 'dreg' },
});

const lost = (how: string, environment: Record<string, string>): Case => ({
  name: `node 1 is lost (${how})`,
  program: 'programs/guest/nodes/programs/lost',
  words: [how],
  ranksPerNode: 3,
  environment: { DREG_TRANSPORT: 'auto', DREG_MONITOR: 'dreg', ...environment },
  // The network comes back, and TCP tries again some time after that.
  lingerSeconds: how === 'reset' ? 0 : 40,
});

export const LISTS: Record<string, Case[]> = {
  random: [
    random('get', 'verbs', 1, 12),
    random('put', 'verbs', 1, 12),
    random('copy', 'verbs', 1, 12),
    random('auto', 'auto', 2, 6),
  ],
  examples: [
    example('pingpong', 'verbs', ['sync', 'async'], [8, 1_000_000]),
    example('bandwidth', 'auto', ['nonblocking', 'async-both'], [8, 20_000]),
  ],
  naive: [stale('naive', 'naive')],
  dreg: [stale('dreg', 'dreg'), reused('get'), reused('put')],
  held: [reused('get')],
  soak: [soak(500)],
  lossy: [soak(500), random('get', 'verbs', 1, 12), random('put', 'verbs', 1, 12)],
  mute: [lost('mute', { DREG_RNDV: 'put' })],
  unplug: [lost('unplug', { DREG_RNDV: 'put' })],
  reset: [lost('reset', { DREG_RNDV: 'get' })],
};
