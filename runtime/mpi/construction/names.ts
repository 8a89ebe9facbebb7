/** Names under which the members of a new communicator find each other. */

import type * as Crypto from 'node:crypto';
import { createRequire } from 'node:module';
import type { Group } from '../group.ts';
import type { Endpoint } from '../point-to-point/endpoint.ts';

/** 256 bits of what a communicator is made from: the same at all its members, and at nobody else. */
export function nameOf(what: readonly (string | number)[], group: Group): Int32Array {
  // Loaded when it is needed: few programs do.
  const { createHash } = createRequire(import.meta.url)('node:crypto') as typeof Crypto;
  const hash = createHash('sha256');
  hash.update(JSON.stringify(what));
  hash.update(group.worlds());
  const digest = hash.digest();
  return Int32Array.from({ length: digest.length / 4 }, (_, i) => digest.readInt32LE(4 * i));
}

/** What a communicator is called at every member alike; no two ever are the same. */
export function identityOf({ pair, members }: Endpoint): string {
  if (pair === null) return 'world';
  return `${members.worldOf(0)}.${(pair.serials as Float64Array)[0]}`;
}
