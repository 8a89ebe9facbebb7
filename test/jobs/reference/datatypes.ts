/** What the reference shows of layouts and data (MPI 4.1, chapter 5). */
import assert from 'node:assert/strict';
import {
  type Bigs,
  type Data,
  type Distribution,
  type Elements,
  type Field,
  type Floats,
  type Integers,
  type Laid,
  Layout,
  MPI,
  type Order,
  type Strided,
} from '../../../runtime/index.ts';
import { defineJob } from '../job.ts';

const { world } = MPI;
const { rank } = world;
const other = 1 - rank;
/** Three rows of three. */
const matrix = Float64Array.of(0, 1, 2, 10, 11, 12, 20, 21, 22);
/** The numbers of the matrix that a layout describes. */
const numbersOf = (layout: Layout) => [...new Float64Array(layout.pack(matrix).slice().buffer)];

export default defineJob({
  ranks: [2],
  rdma: [],
  cases: {
    async 'Layout, Layout.of, layout.vector, Laid'() {
      const column: Layout = Layout.of(Float64Array).vector(3, 1, 3);
      const second: Laid = { data: matrix, layout: column, offset: 8 };
      const got = new Float64Array(3);
      world.isend(second, other);
      await world.recv(got, other);
      assert.deepEqual([...got], [1, 11, 21]);
    },

    'layout.contiguous, layout.hvector, layout.resized'() {
      const row = Layout.of(Float64Array).contiguous(3);
      assert.deepEqual([row.size, row.extent], [24, 24]);
      assert.deepEqual(numbersOf(Layout.of(Float64Array).hvector(3, 1, 24)), [0, 10, 20]);
      // An element that reaches as far as a row: several make a column.
      const first = Layout.of(Float64Array).resized(0, 24);
      assert.deepEqual(numbersOf(first.contiguous(3)), [0, 10, 20]);
    },

    'layout.indexed, layout.hindexed, layout.indexedBlock'() {
      const number = Layout.of(Float64Array);
      // The upper triangle.
      assert.deepEqual(numbersOf(number.indexed([3, 2, 1], [0, 4, 8])), [0, 1, 2, 11, 12, 22]);
      assert.deepEqual(numbersOf(number.hindexed([1, 1], [8, 64])), [1, 22]);
      assert.deepEqual(numbersOf(number.indexedBlock(2, [0, 3])), [0, 1, 10, 11]);
    },

    'layout.subarray, Order'() {
      const order: Order = 'C';
      const corner = Layout.of(Float64Array).subarray([3, 3], [2, 2], [1, 1], order);
      assert.deepEqual(numbersOf(corner), [11, 12, 21, 22]);
    },

    'layout.darray, Distribution'() {
      // Rows in two pieces, 2 and 1; columns not at all.
      const rows: Distribution = { size: 3, kind: 'block', processes: 2 };
      const columns: Distribution = { size: 3, kind: 'none', processes: 1 };
      const mine = Layout.of(Float64Array).darray(2, 1, [rows, columns]);
      assert.deepEqual(numbersOf(mine), [20, 21, 22]);
    },

    'Layout.struct, Field, layout.pack, layout.unpack'() {
      const fields: Field[] = [
        { layout: Layout.of(Uint8Array), offset: 0 },
        { layout: Layout.of(Float32Array), offset: 4, count: 2 },
      ];
      const record = Layout.struct(fields);
      assert.deepEqual([record.size, record.extent], [9, 12]);
      const bytes = record.pack(Uint8Array.of(7, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8));
      const copy = new Uint8Array(12);
      record.unpack(bytes, copy);
      assert.deepEqual([...copy], [7, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
    },

    'Strided, Data'() {
      // The last column, as an ndarray describes it.
      const column: Strided = { data: matrix, shape: [3], stride: [3], offset: 2 };
      const sent: Data = column;
      world.isend(sent, other);
      const got = new Float64Array(3);
      world.recvSync(got, other);
      assert.deepEqual([...got], [2, 12, 22]);
    },

    'Elements, Integers, Floats, Bigs'() {
      const counts: Integers = Int32Array.of(1, 2);
      const shares: Floats = Float32Array.of(0.5);
      const ids: Bigs = BigInt64Array.of(2n ** 60n);
      const all: Elements[] = [counts, shares, ids];
      const lengths = all.map((array) => {
        world.isend(array, other);
        return world.recvSync(new Uint8Array(100), other).byteLength;
      });
      assert.deepEqual(lengths, [8, 4, 8]);
    },
  },
});
