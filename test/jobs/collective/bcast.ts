/** bcast: everybody has what the root has. */
import { type Data, Layout } from '../../../runtime/index.ts';
import { BCAST } from '../../../runtime/mpi/collective/bcast.ts';
import { byEachAlgorithm, checkEqual, elements, inEitherHabit, MAKERS } from '../elements.ts';
import { defineJob } from '../job.ts';
import { assert, filled, Guarded, throws, verify } from '../lib.ts';
import { rank, SIZES, size, world } from '../ring.ts';

const LONG = 262_144;

const bcast = <D extends Data>(data: D, root = 0) =>
  inEitherHabit(
    () => world.bcastSync(data, root),
    () => world.bcast(data, root),
  );

export default defineJob({
  cases: {
    async 'from every root, every type, by each algorithm'() {
      await byEachAlgorithm(BCAST, async (name) => {
        for (let root = 0; root < size; root++) {
          const make = MAKERS[root % MAKERS.length];
          const data = rank === root ? elements(77, root, make) : elements(77, 99, make);
          assert.equal(await bcast(data, root), data);
          checkEqual(data, elements(77, root, make), `${name}, root ${root}`);
        }
      });
    },
    async 'each type'() {
      for (const make of MAKERS) {
        const data = rank === 0 ? elements(5, 3, make) : new make(5);
        checkEqual(await bcast(data), elements(5, 3, make), make.name);
      }
    },
    async 'all lengths, and nothing beside them'() {
      for (const length of [...SIZES, LONG - 1, LONG]) {
        const root = length % size;
        const buffer = new Guarded(length);
        if (rank === root) buffer.view.set(filled(length, length));
        await bcast(buffer.view, root);
        verify(buffer.view, length, `${length} bytes`);
        buffer.check(`${length} bytes`);
      }
    },
    async 'elements that lie apart'() {
      await byEachAlgorithm(BCAST, async (name) => {
        const data = new Float64Array(60);
        const column = { data, shape: [20], stride: [3], offset: 1 };
        if (rank === 0) data.fill(-1).set(elements(20, 4));
        // One rank has side by side what others have apart.
        if (rank === 0) await bcast(data.subarray(0, 20));
        else {
          await bcast(column);
          const got = Float64Array.from({ length: 20 }, (_, i) => data[3 * i + 1]);
          checkEqual(got, elements(20, 4), name);
          assert.equal(data[0] + data[2], 0);
        }
        const bytes = new Uint8Array(64);
        if (rank === 0) bytes.set(filled(64, 5));
        const layout = Layout.of(1).vector(8, 2, 8);
        await bcast({ data: bytes, layout });
        const expected = filled(64, 5);
        for (let i = 0; i < 58; i++) if (i % 8 < 2) assert.equal(bytes[i], expected[i]);
      });
    },
    'bad arguments are told before anything is sent'() {
      throws('ERR_RANK', () => world.bcastSync(new Uint8Array(1), size));
      throws('ERR_RANK', () => world.bcastSync(new Uint8Array(1), -1));
      throws('ERR_RANK', () => world.bcastSync(new Uint8Array(1), 'one' as never));
      throws('ERR_BUFFER', () => world.bcastSync(null as never));
      throws('ERR_BUFFER', () => world.bcastSync('text' as never));
      const gone = new Uint8Array(8);
      structuredClone(gone.buffer, { transfer: [gone.buffer] });
      throws('ERR_BUFFER', () => world.bcastSync(gone));
      world.barrierSync();
    },
  },
});
