/** A picture as PNG, without a library. */
import { deflateSync } from 'node:zlib';

const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
/** Eight bits of red, green and blue. */
const BIT_DEPTH = 8;
const COLOURS = 2;

const CRC = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  return crc;
});

/** @param colourOf red, green and blue of a pixel, from 0 to 255 */
export function png(
  width: number,
  height: number,
  colourOf: (x: number, y: number) => readonly number[],
): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([BIT_DEPTH, COLOURS], 8);
  // Each row begins with the number of its filter: none.
  const row = 1 + 3 * width;
  const pixels = Buffer.alloc(row * height);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) pixels.set(colourOf(x, y), y * row + 1 + 3 * x);
  const chunks = [chunk('IHDR', header), chunk('IDAT', deflateSync(pixels)), chunk('IEND')];
  return Buffer.concat([SIGNATURE, ...chunks]);
}

function chunk(type: string, data: Buffer = Buffer.alloc(0)): Buffer {
  const typed = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const all = Buffer.alloc(typed.length + 8);
  all.writeUInt32BE(data.length, 0);
  all.set(typed, 4);
  let crc = 0xffffffff;
  for (const byte of typed) crc = CRC[(crc ^ byte) & 0xff] ^ (crc >>> 8);
  all.writeUInt32BE(~crc >>> 0, all.length - 4);
  return all;
}

/** The colour of a value from 0 to 1: from black over red and yellow to white. */
export function glow(value: number): number[] {
  return [0, 1, 2].map((colour) => Math.round(255 * Math.min(1, Math.max(0, 3 * value - colour))));
}
