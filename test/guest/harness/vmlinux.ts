import { execFileSync } from 'node:child_process';

/** Offsets in the boot protocol's header (Documentation/x86/boot.rst). */
const SETUP_SECTORS = 0x1f1;
const HEADER_MAGIC = 0x202;
const PAYLOAD_OFFSET = 0x248;
const PAYLOAD_LENGTH = 0x24c;
const SECTOR = 512;

const VMLINUX_BYTES_MAX = 512 << 20;

/** First bytes of each compression that Debian uses, and the program that undoes it. */
const UNPACKERS: [magic: string, program: string, args: string[]][] = [
  ['fd377a585a00', 'xz', ['--decompress', '--stdout']],
  ['28b52ffd', 'zstd', ['--decompress', '--stdout']],
];

/**
 * Takes the ELF kernel out of a bzImage. QEMU starts it directly (PVH), which saves the emulated
 * machine the unpacking: half of the boot's time.
 */
export function unpackBzImage(image: Buffer): Buffer {
  if (image.toString('latin1', HEADER_MAGIC, HEADER_MAGIC + 4) !== 'HdrS') {
    throw new Error('not a bzImage: no boot header');
  }
  const start = (image[SETUP_SECTORS]! + 1) * SECTOR + image.readUInt32LE(PAYLOAD_OFFSET);
  // The last four bytes are the unpacked size, no part of the compressed stream.
  const payload = image.subarray(start, start + image.readUInt32LE(PAYLOAD_LENGTH) - 4);
  for (const [magic, program, args] of UNPACKERS) {
    if (!payload.subarray(0, magic.length / 2).equals(Buffer.from(magic, 'hex'))) continue;
    return execFileSync(program, args, { input: payload, maxBuffer: VMLINUX_BYTES_MAX });
  }
  throw new Error(`bzImage of an unknown compression: ${payload.toString('hex', 0, 8)}`);
}
