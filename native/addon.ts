/**
 * The one seam between TypeScript and the addon, typed by hand. Calls answer a value >= 0 or a
 * negative errno; {@link check} of runtime/base/error.ts turns the latter into an MpiError.
 */
import { existsSync, readFileSync } from 'node:fs';
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
  /** Seals the file: from now on it can grow, and not shrink; `fixed`: neither. */
  segmentSeal(fd: number, fixed?: boolean): number;
  segmentSealed(fd: number): number;
  /** 1 where the file can never become shorter or longer. */
  segmentFixed(fd: number): number;
  /** Where `writes` is false, writing to it ends the process. */
  segmentMap(fd: number, offset: number, length: number, writes?: boolean): ArrayBuffer | number;
  /** -ENOSYS where this Node has no SharedArrayBuffer over such memory. */
  segmentMap(
    fd: number,
    offset: number,
    length: number,
    writes: true,
    shared: true,
  ): SharedArrayBuffer | number;
  segmentReserve(fd: number, offset: number, length: number): number;
  segmentRelease(fd: number, offset: number, length: number): number;
  /** [size, bytes in use, mode, inode] */
  segmentStat(fd: number): [number, number, number, number] | number;
  fdDuplicate(fd: number): number;
  /** -EAGAIN: another process has locked it. The lock ends with the descriptor. */
  fileLock(fd: number): number;
  // heap.cc
  heapOpen(): number;
  heapClose(heap: number): void;
  /** A word for each slot: messages that hold the allocation, and bit 30 where its buffer has ended. */
  heapWords(): ArrayBuffer | number;
  /** Stores the allocation's slot in `slot[0]`. `shared`: a SharedArrayBuffer, or -ENOSYS. */
  heapMap(
    heap: number,
    fd: number,
    offset: number,
    length: number,
    slot: Int32Array,
    shared: boolean,
  ): ArrayBufferLike | number;
  heapEnd(slot: number): void;
  /** Slots of allocations that have ended since the last call. They are free now. */
  heapFreed(heap: number): number[];
  detach(buffer: ArrayBuffer): number;
  collectGarbage(): void;
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
  /** `count` runs of `size` bytes, one after the other, in both buffers so many bytes apart. */
  copyRuns(
    to: ArrayBufferView,
    toOffset: number,
    toStride: number,
    from: ArrayBufferView,
    fromOffset: number,
    fromStride: number,
    size: number,
    count: number,
  ): number;
  // doorbell.cc
  futexWait(words: Int32Array, index: number, expected: number, milliseconds: number): number;
  futexWake(words: Int32Array, index: number): number;
  eventfdCreate(): number;
  eventfdSignal(fd: number): number;
  eventfdDrain(fd: number): number;
  Watcher: new (fd: number, isEventfd: boolean, callback: (status: number) => void) => Watcher;
  /** How many things of the event loop, beside timers and messages of other threads, may run JavaScript. */
  loopOthers(): number;
  /** Of each timer that runs, a number for the function that it calls, and when it is due. */
  loopTimers(): number[] | number;
  /** Of each uv_async_t of the event loop, a number for the function that it calls. */
  loopAsyncs(): number[] | number;
  // fdpass.cc
  fdSenderBind(name: string): number;
  fdReceiverBind(name: string, sender: string): number;
  fdSocketSend(fd: number, name: string, fds: number[]): number;
  fdSocketReceive(fd: number, milliseconds: number): number[] | number;
  /** The pid of the process that made the socket's other end; 0 where it cannot be told. */
  socketPeer(fd: number): number;
  // process.cc
  affinityGet(): number[] | number;
  affinitySet(cpus: number[]): number;
  dieWithParent(signal: number): number;
  /** 0 where reading this terminal would stop the process, which is in the background. */
  inForeground(fd: number): number;
  pollReadable(fd: number, milliseconds: number): number;
  /** How many of at most 8 descriptors are readable; 0 after so many milliseconds. */
  pollAny(fds: Int32Array, milliseconds: number): number;
  /** [read end, write end] */
  pipeCreate(): [number, number] | number;
  /** Two connected stream sockets. */
  socketPair(): [number, number] | number;
  closeOnExec(fd: number): number;
  /** 1 while the registration is under way: ask again; then 0 or a negative errno. */
  membarrierRegister(): number;
  membarrier(): number;
  /** Keeps all of this thread's accesses before it ahead of all behind it. */
  fullFence(): void;
  closeFd(fd: number): number;
  /** '' where the dynamic linker finds that library; else what it says. */
  libraryMissing(name: string): string;
}

/**
 * The package's root: the nearest folder above this file with the package.json of this package.
 * @throws MpiError ERR_ADDON where there is none: a bundler has moved the code elsewhere
 */
export function packageRoot(): string {
  // Bundlers that write CommonJS leave no URL.
  const here = import.meta.url as string | undefined;
  let folder = here === undefined ? '/' : dirname(fileURLToPath(here));
  while (!isRoot(folder)) {
    const parent = dirname(folder);
    if (parent === folder)
      throw new MpiError(
        'ERR_ADDON',
        `dreg-mpi runs from ${here === undefined ? 'a bundle' : fileURLToPath(here)}, without its package and so without its native addon: leave it out of the bundle (esbuild: --external:dreg-mpi; rolldown, rollup, webpack: external), and install it where the bundle runs`,
      );
    folder = parent;
  }
  return folder;
}

function isRoot(folder: string): boolean {
  const file = join(folder, 'package.json');
  return existsSync(file) && JSON.parse(readFileSync(file, 'utf8')).name === 'dreg-mpi';
}

let loaded: Addon | undefined;

/**
 * Loads the addon on first use; never when a module is imported, where nobody could catch the error.
 * @throws MpiError ERR_ADDON where it does not load; its message says why, and what to do.
 */
export function addon(): Addon {
  loaded ??= load(packageRoot());
  return loaded;
}

/** Of this platform the package with the addon; platforms with musl have another name, and no package. */
const PLATFORM_PACKAGE = `@dreg-mpi/linux-${process.arch}-gnu`;

/** What is built here, below native/. */
const BUILT = 'build/Release';

/** A file of the platform's package; where that is not there, or of another version, the one that was built here. */
export function nativeFile(name: 'dreg_mpi.node' | 'dreg_heap.so'): string {
  const root = packageRoot();
  const require = createRequire(import.meta.url);
  try {
    checkVersion(versionOf(root), require);
    return join(dirname(require.resolve(`${PLATFORM_PACKAGE}/package.json`)), name);
  } catch {
    return join(root, 'native', BUILT, name);
  }
}

/** The platform's package, else what was built here. */
function load(root: string): Addon {
  const require = createRequire(import.meta.url);
  const built = join(root, 'native', BUILT, 'dreg_mpi.node');
  let cause: unknown;
  try {
    checkVersion(versionOf(root), require);
    return require(PLATFORM_PACKAGE) as Addon;
  } catch (error) {
    cause = error;
  }
  // A package that does not load here says more than a build that nobody made.
  if (existsSync(built))
    try {
      return require(built) as Addon;
    } catch (error) {
      cause = error;
    }
  throw new MpiError('ERR_ADDON', `the native addon does not load: ${adviceOn(cause, root)}`, {
    cause,
  });
}

function versionOf(root: string): string {
  return JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version;
}

/** @throws Error where the platform's package is not there, or of another version */
function checkVersion(version: string, require: NodeJS.Require): void {
  const own = require(`${PLATFORM_PACKAGE}/package.json`) as { version: string };
  if (own.version === version) return;
  throw new Error(
    `${PLATFORM_PACKAGE} is of version ${own.version}, and dreg-mpi of ${version}: both have to be the same`,
  );
}

function adviceOn(cause: unknown, root: string): string {
  const { code, message } = cause as NodeJS.ErrnoException;
  if (code === 'ERR_DLOPEN_DISABLED')
    return 'Node runs with --no-addons (or a permission model that forbids addons); start it without, or with --allow-addons';
  const build = '"npx dregrun build" builds it with a compiler of this machine';
  if (code !== 'MODULE_NOT_FOUND')
    return `${message}; it may be built for another machine: ${build}`;
  const missing = `and it was not built in ${root}: ${build}, "npm rebuild dreg-mpi" does not`;
  const platform = `${process.arch}, ${isGlibc() ? 'glibc' : 'musl'}`;
  if (!isGlibc() || !PACKAGED.includes(process.arch))
    return `there is no package with it for this platform (${platform}), ${missing}`;
  return `the package ${PLATFORM_PACKAGE} is not installed, ${missing}. npm's --omit=optional leaves the package out, and so does a node_modules or lock file of another platform: npm install ${PLATFORM_PACKAGE}@${versionOf(root)} brings it`;
}

/** What there are packages for (test/tools/packages/platforms.ts). */
const PACKAGED: string[] = ['x64', 'arm64'];

function isGlibc(): boolean {
  const { header } = process.report.getReport() as { header: { glibcVersionRuntime?: string } };
  return header.glibcVersionRuntime !== undefined;
}
