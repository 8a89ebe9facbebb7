/**
 * Bytes without a meaning, which a rank on iWARP reads of its peers to see whether they are there. It must
 * not read zero bytes: for such a READ siw of Linux 6.1 may send again the data of the READ before it.
 */
import { addon } from '../../../native/addon.ts';
import { check } from '../../../runtime/base/error.ts';

/** Bytes of such a READ. */
export const TARGET_BYTES = 8;
/** LOCAL_WRITE, REMOTE_WRITE and REMOTE_READ: peers read this memory, and their answers come into it. */
const ACCESS = 1 | 2 | 4;

/** Where a peer's bytes are. */
export interface TargetAddress {
  address: number;
  key: number;
}

interface Registrar {
  readonly name: string;
  register(address: number, length: number, access: number): number;
  rkeyOf(region: number): number;
}

/** Registered for the life of the device. */
export class LivenessTarget implements TargetAddress {
  readonly address: number;
  readonly key: number;
  readonly region: number;
  /** Where answers come. */
  readonly sink: number;
  readonly #bytes = new Uint8Array(2 * TARGET_BYTES);

  /** @throws MpiError ERR_SYSTEM where it cannot be pinned */
  constructor(device: Registrar) {
    this.address = addon().addressOf(this.#bytes);
    this.sink = this.address + TARGET_BYTES;
    const region = device.register(this.address, this.#bytes.length, ACCESS);
    this.region = check(region, 'ibv_reg_mr', device.name);
    this.key = device.rkeyOf(region);
  }
}
