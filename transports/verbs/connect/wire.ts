/** The datagrams that set a connection up, and what is said when one begins on iWARP. */
import { createHash } from 'node:crypto';

const MAGIC = 0x4f4c_4844;
/**
 * Changes whenever the layout of packets and datagrams changes, or the meaning of the protocol's packets.
 */
export const VERBS_WIRE_VERSION = 3;
const JOB_BYTES = 16;
const GID_BYTES = 16;
const CONFIRMED = 1;
export const HELLO_BYTES = 12 * 4 + JOB_BYTES + GID_BYTES;

/** What a rank tells another rank to connect with it. */
export interface Hello {
  from: number;
  to: number;
  /** The sender's datagram queue and port. */
  datagrams: number;
  lid: number;
  gid: string;
  /** The sender's queue pair for this connection. */
  number: number;
  psn: number;
  mtu: number;
  /** The receiver's queue pair that the sender has connected its own with; 0: none yet. */
  known: number;
  /** The sender knows that the receiver has connected: it needs no answer. */
  confirmed: boolean;
}

/** Distinguishes the datagrams of one job from those of another. */
export function jobKey(jobId: string): Buffer {
  return createHash('sha256').update(jobId).digest().subarray(0, JOB_BYTES);
}

export function encodeHello(hello: Hello, job: Buffer): Buffer {
  const bytes = Buffer.alloc(HELLO_BYTES);
  const words = [
    MAGIC,
    VERBS_WIRE_VERSION,
    hello.from,
    hello.to,
    hello.datagrams,
    hello.lid,
    hello.number,
    hello.psn,
    hello.mtu,
    hello.known,
    hello.confirmed ? CONFIRMED : 0,
    0,
  ];
  for (const [i, word] of words.entries()) bytes.writeUInt32LE(word, 4 * i);
  job.copy(bytes, 48);
  bytes.write(hello.gid, 48 + JOB_BYTES, 'hex');
  return bytes;
}

/** The datagram as a HELLO of this job; null where it is none. */
export function decodeHello(datagram: Uint8Array, job: Buffer): Hello | null {
  const bytes = Buffer.from(datagram.buffer, datagram.byteOffset, datagram.byteLength);
  if (bytes.length !== HELLO_BYTES) return null;
  const word = (i: number) => bytes.readUInt32LE(4 * i);
  if (word(0) !== MAGIC || word(1) !== VERBS_WIRE_VERSION) return null;
  if (bytes.compare(job, 0, JOB_BYTES, 48, 48 + JOB_BYTES) !== 0) return null;
  const [number, psn, mtu] = [word(6), word(7), word(8)];
  const sane = number > 0 && number < 2 ** 24 && psn < 2 ** 24 && isMtu(mtu);
  if (!sane || word(10) > CONFIRMED) return null;
  return {
    from: word(2),
    to: word(3),
    datagrams: word(4),
    lid: word(5),
    gid: bytes.toString('hex', 48 + JOB_BYTES),
    number,
    psn,
    mtu,
    known: word(9),
    confirmed: word(10) === CONFIRMED,
  };
}

const isMtu = (bytes: number) => bytes >= 256 && bytes <= 4096 && (bytes & (bytes - 1)) === 0;

/** Bytes of what two ranks say to each other when they connect on iWARP. */
export const INTRODUCTION_BYTES = 4 * 4 + JOB_BYTES + 12;

/** Who calls or answers whom, and where the caller's liveness target is (liveness-target.ts). */
export interface Introduction {
  from: number;
  to: number;
  target: { address: number; key: number };
}

export function encodeIntroduction({ from, to, target }: Introduction, job: Buffer): Buffer {
  const bytes = Buffer.alloc(INTRODUCTION_BYTES);
  for (const [i, word] of [MAGIC, VERBS_WIRE_VERSION, from, to].entries())
    bytes.writeUInt32LE(word, 4 * i);
  job.copy(bytes, 16);
  bytes.writeBigUInt64LE(BigInt(target.address), 16 + JOB_BYTES);
  bytes.writeUInt32LE(target.key, 24 + JOB_BYTES);
  return bytes;
}

/** What a rank of this job has said; null where it is none. Devices may append zeros. */
export function decodeIntroduction(said: Uint8Array, job: Buffer): Introduction | null {
  const bytes = Buffer.from(said.buffer, said.byteOffset, said.byteLength);
  if (bytes.length < INTRODUCTION_BYTES) return null;
  const word = (i: number) => bytes.readUInt32LE(4 * i);
  if (word(0) !== MAGIC || word(1) !== VERBS_WIRE_VERSION) return null;
  if (bytes.compare(job, 0, JOB_BYTES, 16, 16 + JOB_BYTES) !== 0) return null;
  const address = Number(bytes.readBigUInt64LE(16 + JOB_BYTES));
  if (!Number.isSafeInteger(address)) return null;
  return {
    from: word(2),
    to: word(3),
    target: { address, key: bytes.readUInt32LE(24 + JOB_BYTES) },
  };
}
