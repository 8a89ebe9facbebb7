import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { packageRoot } from '../../../../../native/addon.ts';
import { ALLGATHER, ALLGATHERV } from '../../../../../runtime/mpi/collective/allgather.ts';
import { ALLREDUCE } from '../../../../../runtime/mpi/collective/allreduce.ts';
import { ALLTOALL } from '../../../../../runtime/mpi/collective/alltoall.ts';
import { ALLTOALLV } from '../../../../../runtime/mpi/collective/alltoallv.ts';
import { BARRIER } from '../../../../../runtime/mpi/collective/barrier.ts';
import { BCAST } from '../../../../../runtime/mpi/collective/bcast.ts';
import { GATHER } from '../../../../../runtime/mpi/collective/gather.ts';
import { nodesAmong } from '../../../../../runtime/mpi/collective/nodes.ts';
import { REDUCE } from '../../../../../runtime/mpi/collective/reduce.ts';
import { SCATTER } from '../../../../../runtime/mpi/collective/scatter.ts';
import {
  choose,
  chooseLines,
  forgetOverrides,
  type Shape,
  type Table,
} from '../../../../../runtime/mpi/collective/select.ts';
import { plainSignature } from '../../../../../runtime/mpi/collective/signature.ts';
import { ALGORITHM_TABLES } from '../../../../tools/algorithms.ts';

const FOLDER = join(packageRoot(), 'runtime/mpi/collective');

const TABLES: readonly Table<never>[] = [
  BCAST,
  GATHER,
  SCATTER,
  ALLGATHER,
  ALLGATHERV,
  ALLTOALL,
  ALLTOALLV,
];

afterEach(() => {
  for (const { operation } of TABLES) delete process.env[`DREG_COLL_${operation}`];
  forgetOverrides();
});

const PAIRS = nodesAmong(
  [
    [0, 1],
    [2, 3],
  ],
  2,
);
const ALONE = nodesAmong([[0], [1]], 1);
const IN_TURN = nodesAmong(
  [
    [0, 2],
    [1, 3],
  ],
  3,
);

const chosen = (table: Table<never>, shape: Shape) => choose(table, shape).algorithm.name;
const KB = 1024;

test.each<[Table<never>, Shape, string]>([
  [BCAST, { ranks: 2, bytes: 1024 * KB }, 'binomial'],
  [BCAST, { ranks: 4, bytes: 256 * KB - 1 }, 'binomial'],
  [BCAST, { ranks: 4, bytes: 256 * KB }, 'scatter-allgather'],
  [GATHER, { ranks: 15, bytes: 8 }, 'linear'],
  [GATHER, { ranks: 16, bytes: KB }, 'binomial'],
  [GATHER, { ranks: 16, bytes: KB + 1 }, 'linear'],
  [SCATTER, { ranks: 16, bytes: KB }, 'binomial'],
  [ALLGATHER, { ranks: 2, bytes: 1024 * KB }, 'bruck'],
  [ALLGATHER, { ranks: 4, bytes: 16 * KB }, 'bruck'],
  [ALLGATHER, { ranks: 4, bytes: 16 * KB + 1 }, 'ring'],
  [ALLGATHERV, { ranks: 4, bytes: 64 * KB }, 'direct'],
  [ALLGATHERV, { ranks: 4, bytes: 64 * KB + 1 }, 'ring'],
  [ALLTOALL, { ranks: 16, bytes: 128 }, 'bruck'],
  [ALLTOALL, { ranks: 16, bytes: 129 }, 'spread'],
  [ALLTOALL, { ranks: 16, bytes: 32 * KB + 1 }, 'pairwise'],
  [ALLTOALL, { ranks: 4, bytes: 8, inPlace: true }, 'swap'],
  [ALLTOALLV, { ranks: 64, bytes: 0 }, 'spread'],
  [ALLTOALLV, { ranks: 65, bytes: 0 }, 'pairwise'],
  [ALLTOALLV, { ranks: 65, bytes: 0, inPlace: true }, 'swap'],
])('$0.operation with $1 is by $2', (table, shape, name) => {
  expect(chosen(table, shape)).toBe(name);
});

test('where some ranks share a node, and not all, calls go within the nodes and across', () => {
  for (const table of [BARRIER, BCAST, ALLGATHER]) {
    expect(chosen(table, { ranks: 4, bytes: 8, nodes: PAIRS })).toBe('nodes');
    expect(chosen(table, { ranks: 2, bytes: 8, nodes: ALONE })).not.toBe('nodes');
    expect(chosen(table, { ranks: 4, bytes: 8 })).not.toBe('nodes');
  }
});

test('reductions do if the order of the ranks is that of the nodes, or does not matter', () => {
  const shape = { ranks: 4, bytes: 64 * KB, divisible: true, pairwise: true, exact: false };
  for (const table of [REDUCE, ALLREDUCE]) {
    expect(chosen(table, { ...shape, nodes: PAIRS } as Shape)).toBe('nodes');
    expect(chosen(table, { ...shape, nodes: IN_TURN } as Shape)).toBe('slices');
    expect(chosen(table, { ...shape, nodes: IN_TURN, exact: true } as Shape)).toBe('nodes');
    expect(chosen(table, { ...shape, nodes: PAIRS, divisible: false } as Shape)).toBe('chain');
    expect(chosen(table, { ...shape, nodes: PAIRS, pairwise: false } as Shape)).toBe('slices');
  }
});

const onLines = (table: Table<never>, shape: Shape) =>
  chooseLines(table, shape, null as never, plainSignature('bcast'), () => null) !== undefined;

test.each<[Table<never>, Shape, Shape]>([
  [BCAST, { ranks: 8, bytes: 512 * KB }, { ranks: 2, bytes: 512 * KB + 1 }],
  [GATHER, { ranks: 8, bytes: 512 * KB }, { ranks: 2, bytes: 512 * KB + 1 }],
])('$0.operation goes on lines up to $1, and beyond if it is told to', (table, most, more) => {
  expect([onLines(table, most), onLines(table, more)]).toEqual([true, false]);
  process.env[`DREG_COLL_${table.operation}`] = 'lines';
  forgetOverrides();
  expect(onLines(table, more)).toBe(true);
  process.env[`DREG_COLL_${table.operation}`] = table.algorithms[0].name;
  forgetOverrides();
  expect(onLines(table, most)).toBe(false);
});

test.each<[Table<never>]>([[SCATTER], [ALLGATHER], [ALLTOALL]])(
  '$0.operation of any length goes on lines',
  (table) => expect(onLines(table, { ranks: 2, bytes: 2 ** 30 })).toBe(true),
);

const inCrowd = (table: Table<never>, shape: Shape) =>
  chooseLines(table, shape, null as never, plainSignature('bcast'), () => null)?.inCrowd;

test('with more ranks than CPUs what goes one way goes by messages, unless it is told to', () => {
  const shape = { ranks: 8, bytes: 8, divisible: true };
  for (const table of [BCAST, GATHER, SCATTER, REDUCE]) expect(inCrowd(table, shape)).toBe(false);
  for (const table of [ALLGATHER, ALLTOALL, ALLREDUCE]) expect(inCrowd(table, shape)).toBe(true);
  expect(inCrowd(REDUCE, { ...shape, bytes: 16 * KB + 1 })).toBe(true);
  process.env.DREG_COLL_BCAST = 'lines';
  forgetOverrides();
  expect(inCrowd(BCAST, shape)).toBe(true);
});

test('each algorithm can be named by the environment, where it works', () => {
  for (const table of TABLES)
    for (const { name, can } of table.algorithms) {
      process.env[`DREG_COLL_${table.operation}`] = name;
      forgetOverrides();
      const shape = { ranks: 4, bytes: 100, inPlace: name === 'swap', nodes: PAIRS };
      expect(can?.(shape) ?? true).toBe(true);
      expect(chosen(table, shape)).toBe(name);
    }
});

test('one that does not work for the shape gives way to the best', () => {
  process.env.DREG_COLL_BCAST = 'scatter-allgather';
  process.env.DREG_COLL_ALLTOALL = 'swap';
  expect(chosen(BCAST, { ranks: 4, bytes: 3 })).toBe('binomial');
  expect(chosen(ALLTOALL, { ranks: 4, bytes: 3 })).toBe('spread');
});

test('a name that there is not is ERR_ARG, with the names that there are', () => {
  process.env.DREG_COLL_BCAST = 'pigeon';
  expect(() => chosen(BCAST, { ranks: 4, bytes: 3 })).toThrow(
    expect.objectContaining({
      code: 'ERR_ARG',
      message: expect.stringMatching(/DREG_COLL_BCAST is "pigeon".*scatter-allgather, binomial/),
    }),
  );
});

test('the list of tables, by which tests force algorithms, has all that there are', () => {
  const sources = readdirSync(FOLDER).filter((name) => name.endsWith('.ts'));
  const names = sources.flatMap((name) =>
    [...readFileSync(join(FOLDER, name), 'utf8').matchAll(/^export const (\w+): Table</gm)].map(
      ([, table]) => table,
    ),
  );
  expect(ALGORITHM_TABLES.map(({ operation }) => operation).sort()).toEqual(names.sort());
});
