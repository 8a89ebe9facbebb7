/** Tests in a memory cgroup of their own. */
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'vitest';

/** A memory cgroup below our own; undefined where none can be made. */
function makeCgroup(bytes: number): string | undefined {
  const lines = readFileSync('/proc/self/cgroup', 'utf8').split('\n');
  const v1 = lines.map((line) => /^\d+:memory:(.*)$/.exec(line)?.[1]).find((path) => path);
  const v2 = lines.map((line) => /^0::(.*)$/.exec(line)?.[1]).find((path) => path);
  const [root, file] =
    v1 !== undefined
      ? [join('/sys/fs/cgroup/memory', v1), 'memory.limit_in_bytes']
      : [join('/sys/fs/cgroup', v2 ?? ''), 'memory.max'];
  const folder = join(root, `dreg-mpi-test-${process.pid}`);
  try {
    mkdirSync(folder);
    if (existsSync(join(folder, file))) {
      writeFileSync(join(folder, file), String(bytes));
      return folder;
    }
    rmdirSync(folder);
  } catch {
    // No such hierarchy, or not ours to change.
  }
  return undefined;
}

/** A process that has ended leaves its cgroup a little later than its parent is told. */
async function removeCgroup(folder: string): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    try {
      return rmdirSync(folder);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EBUSY' || attempt === 100) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** A test of programs that are started behind the words of `enter`: these put them into the cgroup. */
export function testInCgroup(
  name: string,
  bytes: number,
  run: (enter: string[]) => void | Promise<void>,
): void {
  const probe = makeCgroup(bytes);
  if (probe) rmdirSync(probe);
  else {
    const missing = `${name} (needs a memory cgroup that can be written)`;
    if (process.env.CI === 'true')
      test(missing, () => {
        throw new Error(missing);
      });
    else test.skip(missing, () => {});
    return;
  }
  test(name, async () => {
    const folder = makeCgroup(bytes)!;
    try {
      await run(['sh', '-c', `echo $$ > ${folder}/cgroup.procs && exec "$@"`, 'sh']);
    } finally {
      await removeCgroup(folder);
    }
  });
}
