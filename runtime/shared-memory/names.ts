/**
 * Names of shared memory: a folder of this user with a file for each name, which says who has the memory. The memory itself is
 * in no file system, where anybody could make it shorter, and whoever touched the rest would be ended by
 * SIGBUS. It is had from an owner, as `/proc/PID/fd/N`. So it ends with its last owner however that ends, and
 * a file whose owners are all gone means nothing.
 *
 * All is done under a lock on the folder, which the kernel takes back from a process that dies.
 */
import {
  closeSync,
  constants,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  type Stats,
  statSync,
  writeFileSync,
} from 'node:fs';
import { constants as osConstants } from 'node:os';
import { join } from 'node:path';
import { addon } from '../../native/addon.ts';
import { inWords } from '../base/bytes.ts';
import { now } from '../base/clock.ts';
import { MpiError } from '../base/error.ts';

/** Letters of a name. */
export const NAME_LENGTH_MAX = 200;
/** How long one process waits for another one that works on this user's names: it may be stopped. */
export const NAMES_LOCK_MS = 10_000;
/** The same for a process that ends. What it leaves behind means nothing to the next one. */
export const NAMES_LAST_LOCK_MS = 500;
/** Names of dead processes that are looked for when another name is given. */
export const NAMES_SWEPT_MAX = 64;

const NAME = /^[A-Za-z0-9_-][A-Za-z0-9._-]*$/;
const NEW = '.new';

/** A process that has the memory, and where. */
interface Owner {
  readonly pid: number;
  readonly fd: number;
}

export class Names {
  readonly #folder: string;

  /** @param folder tests have their own */
  constructor(folder = `/dev/shm/dreg-mpi-${process.geteuid?.()}`) {
    this.#folder = folder;
  }

  /**
   * Gives a name to the memory behind a descriptor of this process.
   * @throws MpiError ERR_ARG where some process has memory of that name
   */
  give(name: string, fd: number): void {
    checkName(name);
    this.#locked(NAMES_LOCK_MS, () => {
      this.#sweep();
      const [owner] = this.#ownersOf(name);
      if (owner !== undefined)
        throw new MpiError(
          'ERR_ARG',
          `process ${owner.pid} has shared memory of the name "${name}": open it (SharedMemory.open), or take another name`,
        );
      this.#write(name, fstatSync(fd).ino, [{ pid: process.pid, fd }]);
    });
  }

  /**
   * A descriptor of the memory of that name, which this process then owns, too.
   * @throws MpiError ERR_ARG where there is none; ERR_SYSTEM where there is, and this process must not open it
   */
  open(name: string): number {
    checkName(name);
    return this.#locked(NAMES_LOCK_MS, () => {
      const owners = this.#ownersOf(name);
      if (owners.length === 0) {
        rmSync(join(this.#folder, name), { force: true });
        throw new MpiError(
          'ERR_ARG',
          `no process of this user has shared memory of the name "${name}": make it (SharedMemory.create), and keep it open until it was opened here`,
        );
      }
      const { inode } = this.#read(name);
      const fd = openOf(name, inode, owners);
      try {
        this.#write(name, inode, [...owners, { pid: process.pid, fd }]);
      } catch (error) {
        addon().closeFd(fd);
        throw error;
      }
      return fd;
    });
  }

  /** This process has that memory no more. The last one takes the name away. */
  leave(name: string, fd: number, lockMs = NAMES_LOCK_MS): void {
    const { ino } = fstatSync(fd);
    this.#locked(lockMs, () => {
      // Its name may have been given anew, to other memory.
      if (this.#read(name).inode !== ino) return;
      const others = this.#ownersOf(name).filter(
        (owner) => owner.pid !== process.pid || owner.fd !== fd,
      );
      if (others.length > 0) this.#write(name, ino, others);
      else rmSync(join(this.#folder, name), { force: true });
    });
  }

  /** The file of a name: the memory's inode, then an owner a line. Without one: nobody's. */
  #read(name: string): { inode: number; owners: Owner[] } {
    let text = '';
    try {
      text = readFileSync(join(this.#folder, name), 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
    const [head, ...lines] = text.split('\n');
    const owners = lines.flatMap((line) => {
      const [, pid, fd] = /^(\d+) (\d+)$/.exec(line) ?? [];
      return pid === undefined ? [] : [{ pid: Number(pid), fd: Number(fd) }];
    });
    return { inode: Number(head), owners };
  }

  /** Those who still have it. */
  #ownersOf(name: string): Owner[] {
    const { inode, owners } = this.#read(name);
    return owners.filter((owner) => has(owner, inode));
  }

  /** Whole or not at all, also if this process is killed in the middle. */
  #write(name: string, inode: number, owners: readonly Owner[]): void {
    const lines = owners.map(({ pid, fd }) => `${pid} ${fd}\n`).join('');
    const file = join(this.#folder, NEW);
    writeFileSync(file, `${inode}\n${lines}`, { mode: 0o600 });
    renameSync(file, join(this.#folder, name));
  }

  /** Takes away names whose owners are all gone. */
  #sweep(): void {
    for (const name of readdirSync(this.#folder).slice(0, NAMES_SWEPT_MAX))
      if (name === NEW || this.#ownersOf(name).length === 0)
        rmSync(join(this.#folder, name), { force: true });
  }

  #locked<R>(lockMs: number, work: () => R): R {
    const fd = this.#lock(now() + lockMs);
    try {
      return work();
    } finally {
      // Only while nobody else can be about to write into it; it is not empty where others have names.
      try {
        rmdirSync(this.#folder);
      } catch {}
      closeSync(fd);
    }
  }

  /** The folder, locked. Who had it before may have taken it away: then it is made anew. */
  #lock(deadline: number): number {
    for (;;) {
      const fd = this.#openFolder();
      try {
        if (this.#tryLock(fd)) return fd;
        if (now() > deadline)
          throw new MpiError(
            'ERR_SYSTEM',
            `the names of shared memory in ${this.#folder} are locked by another process of this user for more than ${NAMES_LOCK_MS} ms (NAMES_LOCK_MS): is it stopped? "fuser ${this.#folder}" says which`,
            { errno: osConstants.errno.EAGAIN, syscall: 'flock' },
          );
      } catch (error) {
        closeSync(fd);
        throw error;
      }
      closeSync(fd);
      Atomics.wait(PAUSE, 0, 0, 1);
    }
  }

  /** Whether this folder is locked, and is still the one of that path. */
  #tryLock(fd: number): boolean {
    if (addon().fileLock(fd) < 0) return false;
    const there = statOf(this.#folder);
    return there !== undefined && there.ino === fstatSync(fd).ino;
  }

  #openFolder(): number {
    for (;;) {
      try {
        mkdirSync(this.#folder, { mode: 0o700 });
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw systemError(error);
      }
      try {
        const fd = openSync(this.#folder, constants.O_DIRECTORY | constants.O_NOFOLLOW);
        this.#checkFolder(fd);
        return fd;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw systemError(error);
      }
    }
  }

  /** Everybody may make a folder of that name where it lies. */
  #checkFolder(fd: number): void {
    const { uid, mode } = fstatSync(fd);
    if (uid === process.geteuid?.() && (mode & 0o077) === 0) return;
    closeSync(fd);
    throw new MpiError(
      'ERR_SYSTEM',
      `${this.#folder}, where the names of shared memory stand, belongs to user ${uid} and has the mode ${(mode & 0o777).toString(8)}: it must be this user's, and 700. Remove it, or share the memory by descriptor`,
    );
  }
}

const PAUSE = new Int32Array(new SharedArrayBuffer(4));

function checkName(name: string): void {
  if (typeof name === 'string' && name.length <= NAME_LENGTH_MAX && NAME.test(name)) return;
  throw new MpiError(
    'ERR_ARG',
    `the name ${inWords(name)} is none for shared memory: 1 to ${NAME_LENGTH_MAX} letters, digits, ".", "_" and "-", and no "." at the beginning`,
  );
}

function statOf(path: string): Stats | undefined {
  return statSync(path, { throwIfNoEntry: false });
}

const pathOf = ({ pid, fd }: Owner) => `/proc/${pid}/fd/${fd}`;

/** Whether that process still has that memory. One that must not be looked into may have it. */
function has(owner: Owner, inode: number): boolean {
  try {
    return statOf(pathOf(owner))?.ino === inode;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EACCES';
  }
}

function openOf(name: string, inode: number, owners: readonly Owner[]): number {
  let cause: unknown = new Error('it is gone');
  for (const owner of owners)
    try {
      const found = openSync(pathOf(owner), 'r+');
      // Node closes at a worker's end what it has opened there, by its number.
      const fd = fstatSync(found).ino === inode ? addon().fdDuplicate(found) : -1;
      closeSync(found);
      if (fd >= 0) return fd;
    } catch (error) {
      cause = error;
    }
  throw new MpiError(
    'ERR_SYSTEM',
    `process ${owners[0].pid} has the shared memory "${name}", and this process may not open it by way of /proc: ${(cause as Error).message}`,
    { cause },
  );
}

/** What the file system says, as an error of this package. */
function systemError(error: unknown): MpiError {
  if (error instanceof MpiError) return error;
  const { message, errno, syscall } = error as NodeJS.ErrnoException;
  return new MpiError('ERR_SYSTEM', `the names of shared memory: ${message}`, {
    errno: Math.abs(errno ?? 0),
    syscall: syscall ?? 'open',
    cause: error,
  });
}
