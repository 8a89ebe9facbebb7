import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/**
 * The environment of what a benchmark starts, as on a machine that was just set up: NODE_EXTRA_CA_CERTS
 * makes each Node read hundreds of certificates before it does anything (40 ms), dregrun and ranks alike.
 */
export function benchEnvironment(): NodeJS.ProcessEnv {
  const { NODE_EXTRA_CA_CERTS: _, ...environment } = process.env;
  return environment;
}

/** Whether the shell would find a program. */
export function inPath(program: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** The first signal ends the rounds; the second one everything. */
export function overBySignal(): () => boolean {
  let over = false;
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => {
      over = true;
      console.error(`${signal}: no more rounds; once more ends everything`);
    });
  return () => over;
}
