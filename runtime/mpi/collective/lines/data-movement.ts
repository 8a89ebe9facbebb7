/** Who offers what, and who needs what of it, in each operation that moves data. */
import { part } from '../../../base/bytes.ts';
import { copyOf, type Payload, sizeOf } from '../../datatype/data.ts';
import type { Signature } from '../signature.ts';
import { pack, unpack } from './copies.ts';
import { lineExchange, type Need } from './exchange.ts';
import type { Lines } from './lines.ts';
import type { LineOperation } from './operation.ts';
import { ALL, NONE } from './slots.ts';

interface Rooted {
  /** All blocks; null at those who are not the root. */
  readonly all: Uint8Array | null;
  /** This rank's; null where it stays where it is. */
  readonly mine: Uint8Array | null;
  /** Of a block. */
  readonly bytes: number;
  readonly root: number;
}

export function lineBcast(
  lines: Lines,
  { payload, root }: { readonly payload: Payload; readonly root: number },
  signature: Signature,
): LineOperation {
  const bytes = sizeOf(payload);
  const isRoot = lines.slots.rank === root;
  return lineExchange(lines, {
    signature,
    from: isRoot ? NONE : root,
    offer: isRoot ? payload : null,
    bytes,
    needs: isRoot ? [] : [{ member: root, at: 0, length: bytes, to: payload, toAt: 0 }],
  });
}

export function lineScatter(
  lines: Lines,
  { all, mine, bytes, root }: Rooted,
  signature: Signature,
): LineOperation {
  const { rank, size } = lines.slots;
  const total = size * bytes;
  if (all === null)
    return lineExchange(lines, {
      signature,
      bytes: total,
      from: root,
      offer: null,
      needs: [{ member: root, at: rank * bytes, length: bytes, to: mine as Uint8Array, toAt: 0 }],
    });
  const own = () => {
    if (mine !== null) unpack(mine, 0, bytes, all, rank * bytes);
  };
  return lineExchange(lines, {
    signature,
    bytes: total,
    from: NONE,
    offer: all,
    needs: [],
    own,
  });
}

export function lineGather(
  lines: Lines,
  { all, mine, bytes, root }: Rooted,
  signature: Signature,
): LineOperation {
  const { rank } = lines.slots;
  if (rank !== root || all === null)
    return lineExchange(lines, { signature, from: NONE, offer: mine, bytes, needs: [] });
  return lineExchange(lines, {
    signature,
    from: ALL,
    offer: null,
    bytes,
    needs: blocksOfOthers(lines, all, bytes),
    own: () => {
      if (mine !== null) pack(mine, 0, bytes, all, rank * bytes);
    },
  });
}

export function lineAllgather(
  lines: Lines,
  { all, mine, bytes }: Omit<Rooted, 'root'> & { readonly all: Uint8Array },
  signature: Signature,
): LineOperation {
  const { rank } = lines.slots;
  return lineExchange(lines, {
    signature,
    from: ALL,
    offer: mine ?? part(all, rank * bytes, (rank + 1) * bytes),
    bytes,
    needs: blocksOfOthers(lines, all, bytes),
    own: () => {
      if (mine !== null) pack(mine, 0, bytes, all, rank * bytes);
    },
  });
}

/** The block of each other rank goes to its place. */
function blocksOfOthers({ slots }: Lines, all: Uint8Array, bytes: number, at = 0): Need[] {
  const needs: Need[] = [];
  for (let step = 1; step < slots.size; step++) {
    const member = (slots.rank + step) % slots.size;
    needs.push({ member, at, length: bytes, to: all, toAt: member * bytes });
  }
  return needs;
}

export function lineAlltoall(
  lines: Lines,
  call: { readonly send: Uint8Array | null; readonly receive: Uint8Array; readonly bytes: number },
  signature: Signature,
): LineOperation {
  const { receive, bytes } = call;
  const { rank, size } = lines.slots;
  // In place what comes would lie where something is still to be offered.
  const send = call.send ?? copyOf(receive);
  return lineExchange(lines, {
    signature,
    from: ALL,
    offer: send,
    once: call.send === null,
    bytes: size * bytes,
    needs: blocksOfOthers(lines, receive, bytes, rank * bytes),
    own: () => unpack(receive, rank * bytes, bytes, send, rank * bytes),
  });
}
