/** How two ranks prove to each other that they are of one job: both know a secret that the launcher hands on. */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { MpiError } from '../../../runtime/base/error.ts';

export const NONCE_BYTES = 16;
const MAC_BYTES = 32;
const SECRET_BYTES = 32;
/** Changes whenever the layout of packets changes, or the meaning of the protocol's packets. */
export const OFI_WIRE_VERSION = 1;

/** What a rank says first. */
const HELLO = 1;
/** The answer to the peer's HELLO. */
const PROOF = 2;
const HEAD_BYTES = 16;
export const OFI_HELLO_BYTES = HEAD_BYTES + NONCE_BYTES + MAC_BYTES;

export const newSecret = () => randomBytes(SECRET_BYTES).toString('hex');
export const newNonce = () => randomBytes(NONCE_BYTES);

/** @throws MpiError ERR_LAUNCH where it is none */
export function parseSecret(text: string | undefined): Buffer {
  const secret = Buffer.from(text ?? '', 'hex');
  if (secret.length === SECRET_BYTES) return secret;
  throw new MpiError('ERR_LAUNCH', 'the launcher does not hand on the secret that rank 0 has put');
}

export class Secret {
  readonly #secret: Buffer;
  readonly #rank: number;

  constructor(secret: Buffer, rank: number) {
    this.#secret = secret;
    this.#rank = rank;
  }

  hello(to: number, nonce: Uint8Array): Buffer {
    return this.#say(HELLO, to, 0, nonce, this.#mac('hello', this.#rank, to, [nonce]));
  }

  /** Also tells the upper half of this rank's keys. */
  proof(to: number, own: Uint8Array, theirs: Uint8Array, keyHigh: number): Buffer {
    const mac = this.#mac('proof', this.#rank, to, [own, theirs, word(keyHigh)]);
    return this.#say(PROOF, to, keyHigh, own, mac);
  }

  /** What a rank has said to this one; null: nothing that a rank of this job says. */
  read(from: number, said: Uint8Array, own: Uint8Array | null): Said | null {
    if (said.length < OFI_HELLO_BYTES) return null;
    const bytes = Buffer.from(said.subarray(0, OFI_HELLO_BYTES));
    const kind = bytes.readUInt32LE(0);
    const keyHigh = bytes.readUInt32LE(12);
    if (bytes.readUInt32LE(4) !== OFI_WIRE_VERSION || bytes.readUInt32LE(8) !== this.#rank)
      return null;
    const nonce = bytes.subarray(HEAD_BYTES, HEAD_BYTES + NONCE_BYTES);
    const mac = bytes.subarray(HEAD_BYTES + NONCE_BYTES);
    if (kind === HELLO && timingSafeEqual(mac, this.#mac('hello', from, this.#rank, [nonce])))
      return { kind: 'hello', nonce, keyHigh: 0 };
    if (kind !== PROOF || own === null) return null;
    const wanted = this.#mac('proof', from, this.#rank, [nonce, own, word(keyHigh)]);
    return timingSafeEqual(mac, wanted) ? { kind: 'proof', nonce, keyHigh } : null;
  }

  /** Stands in each packet from one rank to the other. */
  token(from: number, to: number, fromNonce: Uint8Array, toNonce: Uint8Array): Int32Array {
    const mac = this.#mac('token', from, to, [fromNonce, toNonce]);
    return Int32Array.of(mac.readInt32LE(0), mac.readInt32LE(4));
  }

  #say(kind: number, to: number, keyHigh: number, nonce: Uint8Array, mac: Buffer): Buffer {
    const head = [kind, OFI_WIRE_VERSION, to, keyHigh].map(word);
    return Buffer.concat([...head, nonce, mac]);
  }

  #mac(what: string, from: number, to: number, parts: Uint8Array[]): Buffer {
    const mac = createHmac('sha256', this.#secret).update(what).update(word(from)).update(word(to));
    for (const one of parts) mac.update(one);
    return mac.digest();
  }
}

export interface Said {
  kind: 'hello' | 'proof';
  nonce: Uint8Array;
  keyHigh: number;
}

function word(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value >>> 0);
  return bytes;
}
