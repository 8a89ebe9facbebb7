/** The tests' own addon: what happens to memory behind the library's back. Built on first use. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync, utimesSync } from 'node:fs';
import { createRequire } from 'node:module';
import { constants } from 'node:os';
import { join } from 'node:path';
import { addon, packageRoot } from '../../../native/addon.ts';
import type { UserfaultfdAddon } from '../../../native/userfaultfd.ts';

declare const task: unique symbol;
export interface Task {
  readonly [task]: 'thread';
}

interface Helpers extends UserfaultfdAddon {
  call(number: number, ...args: number[]): number;
  view(address: number, length: number): ArrayBuffer;
  brkGrow(bytes: number): number;
  brkCycle(start: number, bytes: number): number;
  shmAttach(bytes: number, address: number, flags: number): number;
  shmDetach(address: number): number;
  vforkUnmap(address: number, length: number): number;
  forkIdle(): number;
  forkLoad(address: number): number;
  forkCall(number: number, ...args: number[]): number;
  killAndWait(pid: number): number;
  limit(resource: number, soft: number): number;
  forbid(number: number, errno: number): number;
  threadCall(number: number, ...args: number[]): Task;
  threadReplace(address: number, length: number, value: number): Task;
  threadStore(words: Int32Array, index: number, value: number, milliseconds: number): Task;
  threadChurn(address: number, length: number, words: Int32Array, count: number): Task;
  threadDone(task: Task): boolean;
  threadJoin(task: Task): number;
}

const FOLDER = join(packageRoot(), 'test/tools/native');
const ADDON = join(FOLDER, 'build/Release/dreg_memory_test.node');

function isFresh(): boolean {
  const sources = [FOLDER, join(packageRoot(), 'native')].flatMap((folder) =>
    readdirSync(folder)
      .filter((name) => /\.(cc|h|gyp)$/.test(name))
      .map((name) => statSync(join(folder, name)).mtimeMs),
  );
  return existsSync(ADDON) && statSync(ADDON).mtimeMs >= Math.max(...sources);
}

function build(): void {
  if (isFresh()) return;
  const script = join(packageRoot(), 'native/build.mjs');
  // Two builds at one time would pull the folder from under each other.
  const words = [FOLDER, process.execPath, script, FOLDER];
  const result = spawnSync('flock', words, { encoding: 'utf8' });
  if (result.status !== 0) throw new Error(`the tests' addon does not build:\n${result.stderr}`);
  // make leaves it alone where the newer file is none of its sources.
  utimesSync(ADDON, new Date(), new Date());
}

let loaded: Helpers | undefined;

export function helpers(): Helpers {
  if (loaded) return loaded;
  build();
  loaded = createRequire(import.meta.url)(ADDON) as Helpers;
  return loaded;
}

if (process.arch !== 'x64') throw new Error('the system call numbers here are those of x86-64');

export const SYS = {
  mmap: 9,
  mprotect: 10,
  munmap: 11,
  mremap: 25,
  mincore: 27,
  madvise: 28,
  shmget: 29,
  shmat: 30,
  shmctl: 31,
  schedSetaffinity: 203,
  remapFilePages: 216,
  processVmReadv: 310,
  memfdCreate: 319,
  userfaultfd: 323,
  pkeyMprotect: 329,
  ioUringSetup: 425,
} as const;

/** Words of the header in which a test build's userfaultfd reader is held, and says that it is. */
export const READER = { parked: 7, hold: 15 } as const;
/**
 * Where it is held: with an event unread; with an event read and its flags not set; before and after
 * it has claimed a slot that is to fire.
 */
export const HOLD = { none: 0, beforeRead: 1, beforeFlags: 2, beforeClaim: 3, claimed: 4 } as const;

export const PROT = { none: 0, read: 1, write: 2, readWrite: 3 } as const;
export const MAP = {
  shared: 0x01,
  private: 0x02,
  fixed: 0x10,
  fixedNoReplace: 0x100000,
  anonymous: 0x20,
  noReserve: 0x4000,
  populate: 0x8000,
  hugetlb: 0x40000,
} as const;
export const MREMAP = { mayMove: 1, fixed: 2, dontUnmap: 4 } as const;
export const MADV = {
  dontNeed: 4,
  free: 8,
  remove: 9,
  collapse: 25,
  guardInstall: 102,
  guardRemove: 103,
} as const;
export const SHM_REMAP = 0o40000;
export const IPC = { private: 0, create: 0o1000, remove: 0 } as const;
export const RLIMIT = { nofile: 7, memlock: 8 } as const;

export const PAGE = 4096;

const ERRNO_NAMES = new Map(Object.entries(constants.errno).map(([name, value]) => [value, name]));

/** The answer of a call that must work. */
export function ok(answer: number): number {
  if (answer >= 0) return answer;
  throw new Error(`a call of the test itself fails: ${ERRNO_NAMES.get(-answer)}`);
}

export interface MapOptions {
  address?: number;
  protection?: number;
  flags?: number;
  fd?: number;
}

/**
 * Where memory of the tests lies: an address that is free again must not become somebody else's, and
 * neither the kernel nor malloc gives out addresses so low of their own accord.
 */
let next = 0x1000_0000_0000;
/** Between two mappings, so that the kernel does not join them; a multiple of every page size. */
const GAP = 2 ** 30;

/**
 * Maps memory, at a given address whatever was there, or where nothing was; answers its address.
 */
export function map(length: number, options: MapOptions = {}): number {
  const { protection = PROT.readWrite, fd = -1, flags = MAP.private | MAP.anonymous } = options;
  const place = (address: number, how: number) =>
    helpers().call(SYS.mmap, address, length, protection, flags | how, fd, 0);
  if (options.address !== undefined) return ok(place(options.address, MAP.fixed));
  for (;;) {
    const answer = place(next, MAP.fixedNoReplace);
    next += GAP;
    // Another thread's tests may be there.
    if (answer !== -constants.errno.EEXIST) return ok(answer);
  }
}

export function unmap(address: number, length: number): void {
  ok(helpers().call(SYS.munmap, address, length));
}

/** Whether anything is mapped in the page at an address. */
export function isMapped(address: number): boolean {
  const page = address - (address % PAGE);
  const answer = helpers().call(SYS.mincore, page, PAGE, addon().addressOf(new Uint8Array(1)));
  if (answer === -constants.errno.ENOMEM) return false;
  return ok(answer) === 0;
}

/** The bytes at an address. Nothing keeps them alive. */
export function bytesAt(address: number, length: number): Uint8Array {
  return new Uint8Array(helpers().view(address, length));
}
