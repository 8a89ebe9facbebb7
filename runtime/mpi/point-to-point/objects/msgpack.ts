/** The usual codec: MessagePack, with typed arrays beside it. */
import { createRequire } from 'node:module';
import type { Packr } from 'msgpackr';
import { inWords } from '../../../base/bytes.ts';
import { MpiError } from '../../../base/error.ts';
import {
  type Codec,
  kindOf,
  OBJECT_VIEW_MIN,
  ofKind,
  VIEW_CLASSES,
  viewBytes,
  viewOf,
} from './codec.ts';

/** The type of MessagePack extensions that stand for memory. */
const MEMORY = 0x76;
/** Bytes in UTF-8 of a string that {@link msgpackCodec} takes: Node makes no string of more. */
export const STRING_BYTES_MAX = 0x1fff_ffe8;
const INSIDE = 0;
const BESIDE = 1;
/** Bytes of an extension before what is inside: the kind, and one of these two. */
const HEAD = 2;

/** Views of the value that is encoded, or decoded, at the moment. */
let outgoing: ArrayBufferView[] = [];
let incoming: readonly Uint8Array[] = [];

function packMemory(memory: ArrayBufferView | ArrayBufferLike): Uint8Array {
  const view = viewOf(memory);
  const beside = viewBytes(memory) >= OBJECT_VIEW_MIN;
  const packed = Buffer.allocUnsafe(HEAD + (beside ? 4 : viewBytes(memory)));
  packed[0] = kindOf(memory);
  packed[1] = beside ? BESIDE : INSIDE;
  if (beside) packed.writeUInt32LE(outgoing.push(view) - 1, HEAD);
  else packed.set(new Uint8Array(view.buffer, view.byteOffset, view.byteLength), HEAD);
  return packed;
}

function unpackMemory(packed: Uint8Array): unknown {
  const bytes = new Uint8Array(packed.subarray(HEAD));
  if (packed[1] === INSIDE) return ofKind(packed[0], bytes);
  return ofKind(packed[0], incoming[new DataView(bytes.buffer).getUint32(0, true)]);
}

/**
 * A copy of msgpackr that nobody else has: the extensions that one registers hold for all that use the same
 * copy, so ours would disturb the program's, and the program's ours.
 */
function privateCopy(): typeof import('msgpackr') {
  const require = createRequire(import.meta.url);
  const path = require.resolve('msgpackr');
  const known = require.cache[path];
  delete require.cache[path];
  try {
    return require(path);
  } finally {
    delete require.cache[path];
    if (known !== undefined) require.cache[path] = known;
  }
}

let shared: Packr | null = null;

/** Made when objects are first used: to load it takes milliseconds. */
function packr(): Packr {
  if (shared !== null) return shared;
  const { Packr, addExtension } = privateCopy();
  for (const Class of VIEW_CLASSES)
    addExtension({ Class, type: MEMORY, pack: packMemory, unpack: unpackMemory });
  shared = new Packr({ moreTypes: true, writeFunction: refuse } as object);
  return shared;
}

function refuse(value: unknown): never {
  throw new MpiError('ERR_ARG', `an object that is sent holds ${inWords(value)}, which is no data`);
}

/**
 * The codec that `comm.objects()` uses unless told otherwise: plain values, `Date`, `Map`, `Set`, `BigInt`, `RegExp`,
 * `Error` with its cause, typed arrays and their buffers. Instances of classes become plain objects, or what their
 * `toJSON` gives. An object that is met twice is sent twice, and one that holds itself is ERR_ARG.
 */
export const msgpackCodec: Codec = {
  /** See {@link Codec.encode}. @throws MpiError ERR_ARG where the value holds what is no data, or itself */
  encode(value, views) {
    const before = outgoing;
    outgoing = views;
    try {
      const packed = packr().pack(value);
      if (packed.length > STRING_BYTES_MAX) checkStrings(packed, views);
      return packed;
    } catch (error) {
      throw error instanceof RangeError && /call stack/.test(error.message)
        ? tooDeep(error)
        : error;
    } finally {
      outgoing = before;
    }
  },
  /** See {@link Codec.decode}. @throws as that */
  decode(bytes, views) {
    const before = incoming;
    incoming = views;
    try {
      return packr().unpack(bytes);
    } finally {
      incoming = before;
    }
  },
};

/** Only to unpack tells whether a string among so many bytes is too long for that. */
function checkStrings(packed: Uint8Array, views: readonly ArrayBufferView[]): void {
  try {
    msgpackCodec.decode(
      packed,
      views.map(({ byteLength }) => new Uint8Array(byteLength)),
    );
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ERR_STRING_TOO_LONG') throw cause;
    throw new MpiError(
      'ERR_ARG',
      `an object that is sent holds a string of more than ${STRING_BYTES_MAX} bytes in UTF-8, which nobody could unpack: send it in parts, or by comm.objects(v8Codec)`,
      { cause },
    );
  }
}

function tooDeep(cause: Error): MpiError {
  return new MpiError(
    'ERR_ARG',
    'an object that is sent holds itself, or is nested too deeply: send it by comm.objects(v8Codec), which knows cycles',
    { cause },
  );
}
