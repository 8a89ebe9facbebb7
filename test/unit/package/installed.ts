/** A folder in which the packed packages are installed, as some user has it. */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Ended, start } from '../../tools/launcher.ts';

/** Some user who owns none of it, by number. */
const SOMEBODY = '65534';

/** Two ranks: each sends its number to the other. */
const BODY = `const { rank, size } = MPI.world;
const got = new Float64Array(1);
const receive = MPI.world.irecv(got, 1 - rank);
await MPI.world.send(Float64Array.of(rank + 1), 1 - rank);
await receive;
console.log(\`\${rank} of \${size} got \${got[0]}\`);
`;
const IMPORT = "import { MPI } from 'dreg-mpi';\n";
export const SAID = ['0 of 2 got 2', '1 of 2 got 1'];

export const PROGRAMS = {
  'module.mjs': IMPORT + BODY,
  // Under Plug'n'Play tsx makes CommonJS of it, which cannot await at its top.
  'typed.mts': `${IMPORT}async function main(): Promise<void> {\n${BODY}}\nvoid main();\n`,
  'required.cjs': `const { MPI } = require('dreg-mpi');\n(async () => {\n${BODY}})();\n`,
  'imported.cjs': `(async () => {\nconst { MPI } = await import('dreg-mpi');\n${BODY}})();\n`,
};

export class Installed {
  readonly #top = mkdtempSync(join(tmpdir(), 'dreg-installed-'));
  /** Its name is one that scripts are not prepared for. */
  readonly folder = join(this.#top, 'a käse – "project"');
  /** Where some user may write. */
  readonly home = join(this.#top, 'home');

  constructor(manifest: object = {}) {
    chmodSync(this.#top, 0o755);
    mkdirSync(this.folder);
    mkdirSync(this.home);
    chmodSync(this.home, 0o777);
    this.file('package.json', JSON.stringify({ name: 'project', private: true, ...manifest }));
    for (const [name, text] of Object.entries(PROGRAMS)) this.file(name, text);
  }

  file(name: string, text: string): void {
    writeFileSync(join(this.folder, name), text);
  }

  /** Runs a command as the one who installs. @throws Error where it fails */
  async run(words: readonly string[], environment: NodeJS.ProcessEnv = {}): Promise<void> {
    // What npm says to its scripts is not meant for another folder's npm.
    const npmOwn = Object.keys(process.env).filter((name) => /^npm_(config|package)_/.test(name));
    const unset = Object.fromEntries(npmOwn.map((name) => [name, undefined]));
    const [file, ...rest] = words;
    const options = { cwd: this.folder, environment: { ...unset, ...environment } };
    const { status, stdout, stderr } = await start(file, rest, options).ended;
    if (status !== 0) throw new Error(`${words.join(' ')}: status ${status}\n${stdout}${stderr}`);
  }

  /** From now on nobody writes here; root, who may all the same, does not run the programs. */
  lock(): void {
    execFileSync('chmod', ['-R', 'a-w,a+rX', this.folder]);
  }

  /** Runs a command as some user. */
  use(words: readonly string[], environment: NodeJS.ProcessEnv = {}): Promise<Ended> {
    const who = ['--reuid', SOMEBODY, '--regid', SOMEBODY, '--clear-groups'];
    return start('setpriv', [...who, ...words], {
      cwd: this.folder,
      environment: { HOME: this.home, ...environment },
    }).ended;
  }

  remove(): void {
    rmSync(this.#top, { recursive: true, force: true });
  }
}
