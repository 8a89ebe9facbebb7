/**
 * The one seam between TypeScript and the addon, typed by hand. Calls answer a value >= 0 or a
 * negative errno; {@link check} of runtime/base/error.ts turns the latter into an MpiError.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MpiError } from '../runtime/base/error.ts';

/** A libuv poll handle on a readable descriptor; keeps the process alive until `unref` or `close`. */
export interface Watcher {
  ref(): void;
  unref(): void;
  close(): void;
}

export interface ReceivedFds {
  payload: string;
  fds: number[];
  uid: number;
  pid: number;
}

/** Moves bytes between another process's memory and `buffer[offset, offset + length)`. */
export type RemoteCall = (
  pid: number,
  address: number,
  buffer: ArrayBufferView,
  offset: number,
  length: number,
) => number;

export interface Addon {
  // segment.cc
  segmentCreate(name: string, bytes: number): number;
  segmentMap(fd: number, offset: number, length: number): ArrayBuffer | number;
  segmentReserve(fd: number, offset: number, length: number): number;
  segmentRelease(fd: number, offset: number, length: number): number;
  /** [size, bytes in use, mode] */
  segmentStat(fd: number): [number, number, number] | number;
  // memory.cc
  addressOf(buffer: ArrayBufferView | ArrayBufferLike): number;
  readRemote: RemoteCall;
  writeRemote: RemoteCall;
  copy(
    to: ArrayBufferView,
    toOffset: number,
    from: ArrayBufferView,
    fromOffset: number,
    length: number,
  ): number;
  // doorbell.cc
  futexWait(words: Int32Array, index: number, expected: number, milliseconds: number): number;
  futexWake(words: Int32Array, index: number): number;
  eventfdCreate(): number;
  eventfdSignal(fd: number): number;
  eventfdDrain(fd: number): number;
  Watcher: new (fd: number, isEventfd: boolean, callback: (status: number) => void) => Watcher;
  // fdpass.cc
  fdSocketBind(name: string): number;
  fdSocketSend(fd: number, name: string, payload: string, fds: number[]): number;
  fdSocketReceive(fd: number, milliseconds: number): ReceivedFds | number;
  // process.cc
  affinityGet(): number[] | number;
  affinitySet(cpus: number[]): number;
  dieWithParent(signal: number): number;
  pollReadable(fd: number, milliseconds: number): number;
  /** How many of at most 8 descriptors are readable; 0 after so many milliseconds. */
  pollAny(fds: Int32Array, milliseconds: number): number;
  /** [read end, write end] */
  pipeCreate(): [number, number] | number;
  closeOnExec(fd: number): number;
  /** 1 while the registration is under way: ask again; then 0 or a negative errno. */
  membarrierRegister(): number;
  membarrier(): number;
  closeFd(fd: number): number;
  /** '' where the dynamic linker finds that library; else what it says. */
  libraryMissing(name: string): string;
}

/** The package's root: the nearest folder above this file that has a package.json. */
export function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) {
    const parent = dirname(folder);
    if (parent === folder) throw new Error('dreg-mpi: its package.json is missing');
    folder = parent;
  }
  return folder;
}

let loaded: Addon | undefined;

/**
 * Loads the addon on first use.
 * @throws MpiError ERR_ADDON where it was not built; its message names the command that builds it.
 */
export function addon(): Addon {
  if (loaded) return loaded;
  const file = join(packageRoot(), 'native/build/Release/dreg_mpi.node');
  try {
    loaded = createRequire(import.meta.url)(file) as Addon;
  } catch (cause) {
    throw new MpiError(
      'ERR_ADDON',
      'the native addon does not load; run "npm run build:native" in the package\'s folder',
      { cause },
    );
  }
  return loaded;
}
