/**
 * The keeper: a shell of a few lines that outlives dregrun when dregrun cannot clean up (SIGKILL),
 * and then kills the ranks' process groups, grandchildren included. It knows them by the last line
 * on its stdin; end of file without an empty last line means that dregrun died.
 */
import { type ChildProcess, spawn } from 'node:child_process';

const SHELL = '/bin/sh';
const SCRIPT = `
while read -r line; do groups=$line; done
[ -z "$groups" ] || kill -KILL $groups
`;

export class Keeper {
  readonly #failed: (message: string) => void;
  #shell: ChildProcess | undefined;
  #groups = '';
  #said = '';

  /** `failed` hears why there is no keeper: the job runs all the same. */
  constructor(failed: (message: string) => void) {
    this.#failed = failed;
  }

  /** From here on it guards; a second call does nothing. */
  start(): void {
    if (this.#shell !== undefined) return;
    // A session of its own: what ends dregrun's terminal or process group must not end the keeper.
    const shell = spawn(SHELL, ['-c', SCRIPT, 'dregrun-keeper'], {
      cwd: '/',
      detached: true,
      env: {},
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    shell.on('error', (error) => this.#failed(`${SHELL}: ${error.message}`));
    shell.stdin?.on('error', () => {}); // It was killed: the job runs all the same.
    this.#shell = shell;
    this.#tell();
  }

  /** Names the process groups that must not survive dregrun. */
  guard(groups: Iterable<number>): void {
    this.#groups = `${[...groups].map((group) => `-${group}`).join(' ')}\n`;
    this.#tell();
  }

  #tell(): void {
    if (this.#shell === undefined || this.#groups === this.#said) return;
    this.#said = this.#groups;
    this.#shell.stdin?.write(this.#groups);
  }

  /** The job has ended: nothing is left to kill. */
  release(): void {
    this.guard([]);
    this.#shell?.stdin?.end();
  }
}
