/** Objects that are larger than usual: many fields, long strings, arrays of more than 2 GiB. */
import { type Codec, MPI, msgpackCodec, v8Codec } from '../../../../runtime/index.ts';
import { assert, rejects, sayOk } from '../../lib.ts';

const { world } = MPI;
const FIELDS = 1_000_000;
const [LONG, TOO_LONG] = [2 ** 28 - 100, 2 ** 28];

for (const codec of [msgpackCodec, v8Codec] as Codec<Record<string, unknown>>[]) {
  const objects = world.objects(codec);
  if (world.rank === 0) {
    const fields: Record<string, number> = {};
    for (let i = 0; i < FIELDS; i++) fields[`field ${i}`] = i;
    await objects.send(fields, 1);
    // Two bytes in UTF-8 for each of its characters.
    await objects.send({ text: 'ü'.repeat(LONG) }, 1);
    const tooLong = objects.send({ text: 'ü'.repeat(TOO_LONG) }, 1);
    if (codec === v8Codec) await tooLong;
    else {
      const error = await rejects('ERR_ARG', tooLong);
      assert.match(error.message, /a string of more than 536870888 bytes/);
    }
    const array = new Float64Array(2 ** 28 + 2 ** 26);
    array[0] = 1;
    array[array.length - 1] = 2;
    await objects.send({ array }, 1);
  } else {
    const { value } = await objects.recv(0);
    assert.equal(Object.keys(value).length, FIELDS);
    assert.equal(value[`field ${FIELDS - 1}`], FIELDS - 1);
    for (const length of codec === v8Codec ? [LONG, TOO_LONG] : [LONG]) {
      const { text } = (await objects.recv(0)).value as { text: string };
      assert.deepEqual([text.length, text.at(-1)], [length, 'ü']);
    }
    const { array } = (await objects.recv(0)).value as { array: Float64Array };
    assert.deepEqual([array.length, array[0], array.at(-1)], [2 ** 28 + 2 ** 26, 1, 2]);
  }
}
sayOk();
