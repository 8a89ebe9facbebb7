/**
 * The keeper: a shell of a few lines that outlives dregrun when dregrun cannot clean up (SIGKILL),
 * and then kills the ranks' process groups, grandchildren included.
 *
 * It knows them by its *ledger*, a pipe. A rank's process writes `+ GROUP` into it itself, before it
 * executes its program, and dregrun writes `- GROUP` when nothing of the group is left. Its end comes
 * when dregrun has ended and no rank is on its way between fork and exec: so there is no moment at
 * which a program of the job runs and the keeper could miss it. A job's lines fit in the pipe
 * ({@link RANKS_LIMIT} twice, 12 bytes each), so that none is lost if the keeper is stopped.
 */
import { closeSync, writeSync } from 'node:fs';
import { addon } from '../../native/addon.ts';
import { errnoName } from '../base/error.ts';
import { startChild } from './child.ts';

const SHELL = '/bin/sh';
/** Each group stands as ` -GROUP ` in the list. */
const SCRIPT = `
groups=' '
while read -r sign group; do
  case "$sign$groups" in
    +*) groups="$groups-$group " ;;
    -*" -$group "*) groups="\${groups%% -$group *} \${groups#* -$group }" ;;
  esac
done
[ "$groups" = ' ' ] || kill -KILL $groups
`;

export class Keeper {
  /** The pipe's end that is written; -1 where there is no keeper. */
  #ledger = -1;

  /**
   * Starts the keeper, before any rank. `failed` is told why there is none; the job then runs without it.
   */
  constructor(failed: (message: string) => void) {
    const ends = addon().pipeCreate();
    if (typeof ends === 'number') {
      failed(`pipe2 failed with ${errnoName(-ends)}`);
      return;
    }
    const [read, write] = ends;
    try {
      startChild({
        words: [SHELL, '-c', SCRIPT, 'dregrun-keeper'],
        environment: {},
        directory: '/',
        fds: [read, null, null],
        // The keeper outlives the signal that ends dregrun, and is in a session of its own.
        diesWithParent: false,
        ignored: [],
      });
      this.#ledger = write;
    } catch (error) {
      closeSync(write);
      failed(`${SHELL}: ${(error as Error).message}`);
    } finally {
      closeSync(read);
    }
  }

  /** Where a rank's process enters its group. */
  get ledger(): number {
    return this.#ledger;
  }

  /** No process of the group is left. From now on its number may belong to another group. */
  forget(group: number): void {
    if (this.#ledger < 0) return;
    try {
      writeSync(this.#ledger, `- ${group}\n`);
    } catch {
      this.release(); // It was killed: the job runs all the same.
    }
  }

  /** The job has ended. The keeper ends too, and kills the groups that it still knows. */
  release(): void {
    if (this.#ledger < 0) return;
    closeSync(this.#ledger);
    this.#ledger = -1;
  }
}
