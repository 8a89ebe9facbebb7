/** Elements that do not lie side by side, sent and received in every way, at sizes across every threshold. */
import { Layout, MPI, type Strided } from '../../../runtime/index.ts';
import { defineJob, RING, SINGLE_COPY } from '../job.ts';
import { assert, rejects, throws } from '../lib.ts';
import { next, previous, rank, world } from '../ring.ts';

/** Rows of a matrix: messages of 8 bytes to 1.6 MB, inline, of one packet, of several, and offered. */
const ROWS = [1, 5, 6, 40, 1000, 2047, 2048, 2049, 3000, 5000, 20_000, 200_000];
const COLUMNS = 3;
const GAP = -1;

const value = (from: number, row: number) => from * 1e7 + row;

/** A matrix with a column of this rank's values, and gaps in its other columns. */
function matrixOf(rows: number, from: number | null, column = 1): Float64Array {
  const matrix = new Float64Array(rows * COLUMNS).fill(GAP);
  if (from !== null)
    for (let row = 0; row < rows; row++) matrix[row * COLUMNS + column] = value(from, row);
  return matrix;
}

const columnOf = (data: Float64Array, column = 1): Strided<Float64Array> => ({
  data,
  shape: [data.length / COLUMNS],
  stride: [COLUMNS],
  offset: column,
});

const valuesOf = (rows: number, from: number) =>
  Float64Array.from({ length: rows }, (_, row) => value(from, row));

const sameNumbers = (a: Float64Array, b: Float64Array) =>
  Buffer.compare(new Uint8Array(a.buffer), new Uint8Array(b.buffer)) === 0;

function check(found: Float64Array, expected: Float64Array, what: string): void {
  if (!sameNumbers(found, expected)) assert.deepEqual(found, expected, what);
}

export default defineJob({
  ranks: RING,
  settings: SINGLE_COPY,
  cases: {
    'a column becomes a column, and the gaps stay as they are'() {
      for (const rows of ROWS) {
        const [from, to] = [matrixOf(rows, rank), matrixOf(rows, null)];
        const receive = world.irecv(columnOf(to, 2), previous, 1);
        world.sendSync(columnOf(from), next, 1);
        const status = receive.wait();
        assert.deepEqual([status.source, status.tag, status.byteLength], [previous, 1, rows * 8]);
        check(to, matrixOf(rows, previous, 2), `${rows} rows`);
      }
    },

    async 'a column becomes a row, and a row a column'() {
      for (const rows of ROWS) {
        const row = new Float64Array(rows);
        const receive = world.recv(row, previous, 2);
        await world.send(columnOf(matrixOf(rows, rank)), next, 2);
        await receive;
        check(row, valuesOf(rows, previous), `a row of ${rows}`);

        const to = matrixOf(rows, null);
        const back = world.recv(columnOf(to), next, 3);
        await world.send(row, previous, 3);
        await back;
        check(to, matrixOf(rows, rank), `a column of ${rows}`);
      }
    },

    'a message that came first finds a column, and one that waits a row'() {
      for (const rows of ROWS) {
        const sends = [
          world.isend(columnOf(matrixOf(rows, rank)), next, 4),
          world.isend(valuesOf(rows, rank), next, 5),
          world.isend(new Uint8Array(1), next, 6),
        ];
        // Behind this one the others have come as well.
        world.recvSync(new Uint8Array(1), previous, 6);
        const [row, to] = [new Float64Array(rows), matrixOf(rows, null)];
        world.recvSync(columnOf(to, 0), previous, 5);
        world.recvSync(row, previous, 4);
        check(row, valuesOf(rows, previous), `a row of ${rows}, late`);
        check(to, matrixOf(rows, previous, 0), `a column of ${rows}, late`);
        for (const send of sends) send.wait();
      }
    },

    async 'to and fro at once'() {
      for (const rows of ROWS) {
        const [from, to] = [matrixOf(rows, rank), matrixOf(rows, null)];
        const status = world.sendrecvSync(columnOf(from), next, 7, columnOf(to), previous, 7);
        assert.equal(status.byteLength, rows * 8);
        check(to, matrixOf(rows, previous), `${rows} rows, blocking`);
        to.fill(GAP);
        await world.sendrecv(columnOf(from), next, 8, columnOf(to, 2), previous, 8);
        check(to, matrixOf(rows, previous, 2), `${rows} rows, awaited`);
      }
    },

    'records under a layout, and their fields packed'() {
      const field = Layout.of(Int32Array);
      const record = Layout.struct(
        [
          { layout: field, offset: 4 },
          { layout: Layout.of(Float64Array), offset: 8, count: 2 },
          { layout: Layout.of(Uint8Array), offset: 25 },
        ],
        32,
      );
      for (const count of [1, 2, 50, 800, 3000, 40_000]) {
        const from = new Uint8Array(count * 32 + 16).map((_, i) => (i * 31 + rank) % 251);
        const to = new Uint8Array(from.length).fill(9);
        const receive = world.irecv({ data: to, layout: record, count, offset: 16 }, previous, 9);
        world.sendSync({ data: from, layout: record, count, offset: 16 }, next, 9);
        assert.equal(receive.wait().byteLength, count * 21);
        for (let i = 0; i < to.length; i++) {
          const place = (i - 16) % 32;
          const sent = i >= 16 && ((place >= 4 && place < 24) || place === 25);
          const expected = sent ? (i * 31 + previous) % 251 : 9;
          if (to[i] !== expected) assert.equal(to[i], expected, `byte ${i} of ${count} records`);
        }
        const packed = new Uint8Array(count * 21);
        const packedReceive = world.irecv(packed, previous, 10);
        world.sendSync({ data: from, layout: record, count, offset: 16 }, next, 10);
        packedReceive.wait();
        assert(Buffer.from(record.pack(to.subarray(16), count)).equals(packed));
      }
    },

    'what is longer than its room is refused, and nothing is written'() {
      for (const [sent, room] of [
        [2, 1],
        [41, 40],
        [3000, 2048],
        [200_000, 199_999],
      ]) {
        const to = matrixOf(room, null);
        const receive = world.irecv(columnOf(to), previous, 11);
        const send = world.isend(columnOf(matrixOf(sent, rank)), next, 11);
        const error = throws('ERR_TRUNCATE', () => receive.wait());
        assert.match(error.message, new RegExp(`\\b${sent * 8}\\b.*\\b${room * 8}\\b`));
        send.wait();
        check(to, matrixOf(room, null), `${sent} rows into ${room}`);
      }
    },

    'what is shorter than its room leaves the rest as it is'() {
      for (const [sent, room] of [
        [1, 2],
        [40, 41],
        [2048, 3000],
        [199_999, 200_000],
      ]) {
        const to = matrixOf(room, null);
        const receive = world.irecv(columnOf(to), previous, 12);
        world.sendSync(columnOf(matrixOf(sent, rank)), next, 12);
        assert.equal(receive.wait().count(Float64Array), sent);
        const expected = matrixOf(room, null);
        expected.set(matrixOf(sent, previous));
        check(to, expected, `${sent} rows into ${room}`);
      }
    },

    'every stride: backwards, turned, nested, none'() {
      const cube = Int32Array.from({ length: 4 * 5 * 6 }, (_, i) => rank * 1000 + i);
      const got = new Int32Array(200);
      const shapes: [shape: number[], stride: number[], offset: number][] = [
        [[120], [-1], 119],
        [[6, 5, 4], [1, 6, 30], 0],
        [[4, 5, 6], [-30, -6, -1], 119],
        [[2, 2, 2], [60, 12, 3], 7],
        [[3, 4], [0, 1], 5],
        [[], [], 17],
        [[3, 0], [1, 1], 500],
        [[4, 30], [30, 1], 0],
      ];
      for (const [shape, stride, offset] of shapes) {
        const receive = world.irecv(got, previous, 13);
        world.sendSync({ data: cube, shape, stride, offset }, next, 13);
        let expected = [offset];
        for (const [i, count] of shape.entries())
          expected = expected.flatMap((at) =>
            Array.from({ length: count }, (_, k) => at + k * stride[i]),
          );
        assert.equal(receive.wait().count(Int32Array), expected.length);
        const numbers = expected.map((at) => previous * 1000 + at);
        assert.deepEqual(Array.from(got.subarray(0, numbers.length)), numbers);
      }
    },

    async 'many at once keep their order, among others'() {
      const matrices = Array.from({ length: 60 }, (_, i) => matrixOf(1 + i * 40, rank, i % 3));
      const receives = matrices.map(({ length }, i) => {
        const data = matrixOf(length / COLUMNS, null);
        const [column, row] = [columnOf(data, i % 3), new Float64Array(length / COLUMNS)];
        return { data, row, request: world.irecv(i % 2 === 0 ? column : row, previous, 14) };
      });
      const sends = matrices.map((matrix, i) => world.isend(columnOf(matrix, i % 3), next, 14));
      await Promise.all([...sends, ...receives.map(({ request }) => request)]);
      for (const [i, { data, row }] of receives.entries()) {
        const rows = 1 + i * 40;
        if (i % 2 === 0) check(data, matrixOf(rows, previous, i % 3), `message ${i}`);
        else check(row, valuesOf(rows, previous), `message ${i}`);
      }
    },

    async 'of this rank to itself'() {
      for (const rows of ROWS) {
        const [from, to] = [matrixOf(rows, rank), matrixOf(rows, null)];
        const receive = MPI.self.irecv(columnOf(to), 0, 15);
        await MPI.self.send(columnOf(from), 0, 15);
        await receive;
        check(to, matrixOf(rows, rank), `${rows} rows to itself`);
      }
    },

    async 'memory that goes away meanwhile'() {
      const rows = 200_000;
      const gone = matrixOf(rows, rank);
      const receive = world.irecv(columnOf(matrixOf(rows, null)), previous, 16);
      const send = world.isend(columnOf(gone), next, 17);
      structuredClone(gone, { transfer: [gone.buffer as ArrayBuffer] });
      world.isend(columnOf(matrixOf(1, rank)), next, 16);
      await receive;
      const lost = world.irecv(columnOf(matrixOf(rows, null)), previous, 17);
      await rejects('ERR_BUFFER', lost);
      await rejects('ERR_BUFFER', send);

      const to = matrixOf(rows, null);
      const into = world.irecv(columnOf(to), previous, 18);
      structuredClone(to, { transfer: [to.buffer as ArrayBuffer] });
      world.barrierSync();
      const other = world.isend(columnOf(matrixOf(rows, rank)), next, 18);
      await rejects('ERR_BUFFER', into);
      await other;
    },
  },
});
