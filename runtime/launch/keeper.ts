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
  readonly #shell: ChildProcess;
  #said = '';

  /** `failed` hears why there is no keeper: the job runs all the same. */
  constructor(failed: (message: string) => void) {
    // A session of its own: what ends dregrun's terminal or process group must not end the keeper.
    this.#shell = spawn(SHELL, ['-c', SCRIPT, 'dregrun-keeper'], {
      cwd: '/',
      detached: true,
      env: {},
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    this.#shell.on('error', (error) => failed(`${SHELL}: ${error.message}`));
    this.#shell.stdin?.on('error', () => {}); // It was killed: the job runs all the same.
  }

  /** Names the process groups that must not survive dregrun. */
  guard(groups: Iterable<number>): void {
    const line = `${[...groups].map((group) => `-${group}`).join(' ')}\n`;
    if (line === this.#said) return;
    this.#said = line;
    this.#shell.stdin?.write(line);
  }

  /** The job has ended: nothing is left to kill. */
  release(): void {
    this.guard([]);
    this.#shell.stdin?.end();
  }
}
