/** spawn.cc: child processes that lead sessions of their own. */
import { addon } from './addon.ts';

export interface SpawnOptions {
  /** The program's file and its arguments. */
  words: readonly string[];
  /** NAME=VALUE. */
  environment: readonly string[];
  /** Undefined: the parent's. */
  directory?: string | undefined;
  /** Descriptor i of the child is `fds[i]` here. */
  fds: Int32Array;
  /** The child writes `+ PID` here before it executes its program. */
  ledger?: number;
  /** The kernel kills the child when this thread ends. */
  diesWithParent: boolean;
  /** Signals that the child ignores; the others have their default effect. */
  ignored: readonly number[];
  /** The CPUs that the child may run on; undefined: the parent's. */
  cpus?: readonly number[] | undefined;
}

export interface SpawnAddon {
  /** The child's pid; or what failed, and its errno. A bare -errno is a wrong call. */
  processSpawn(options: SpawnOptions): number | [call: string, errno: number];
  /**
   * 0 while the child runs; else 1 << 16 and its status as waitpid(2) has it; or -errno. `used` gets
   * milliseconds of processors, and its peak memory in bytes.
   */
  processReap(pid: number, used: Float64Array): number;
}

export const spawnAddon = (): SpawnAddon => addon() as unknown as SpawnAddon;
