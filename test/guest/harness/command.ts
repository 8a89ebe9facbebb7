import { spawn } from 'node:child_process';

export interface CommandOptions {
  cwd?: string;
  env?: Record<string, string>;
  /** Called with each piece of output, for progress. */
  onOutput?: (text: string) => void;
  /** Let it finish though this process dies: a package half installed is worse. */
  outlive?: boolean;
  /** Do not throw when the command fails. */
  mayFail?: boolean;
}

export interface CommandResult {
  status: number | null;
  stdout: string;
  /** stdout and stderr as they came. */
  output: string;
}

/** How much of a failed command's output its error shows. */
const ERROR_TAIL_LINES = 30;

export function tail(text: string, lines: number): string {
  return text.trimEnd().split('\n').slice(-lines).join('\n');
}

/** Runs a program to its end; throws with the last lines of its output if it fails. */
export function run(
  program: string,
  args: string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    // If this process is killed, nothing that it started may stay: not even by SIGKILL.
    const guard = options.outlive ? [] : ['setpriv', '--pdeathsig', 'TERM'];
    const [first, ...rest] = [...guard, program, ...args];
    const child = spawn(first!, rest, {
      cwd: options.cwd,
      env: { ...process.env, LC_ALL: 'C.UTF-8', ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stdout = '';
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
      output += text;
      options.onOutput?.(text);
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      options.onOutput?.(text);
    });
    child.on('error', reject);
    child.on('close', (status, signal) => {
      if (status === 0 || (options.mayFail && signal === null)) {
        resolve({ status, stdout, output });
        return;
      }
      const how = signal ? `killed by ${signal}` : `exit status ${status}`;
      const last = tail(output, ERROR_TAIL_LINES);
      reject(new Error(`${[program, ...args].join(' ')}: ${how}\n${last}`));
    });
  });
}

/** A word for the shell, as it is. */
export function quote(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}
