/** The tables of collective algorithms, of all operations. */
import { readdirSync } from 'node:fs';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { LINES, type Table } from '../../runtime/mpi/collective/select.ts';

const FOLDER = fileURLToPath(new URL('../../runtime/mpi/collective/', import.meta.url));

const isTable = (value: unknown): value is Table<never, never> =>
  typeof value === 'object' && value !== null && 'operation' in value && 'algorithms' in value;

/** Whatever module of the collective operations exports one. */
export async function algorithmTables(): Promise<Table<never, never>[]> {
  const extension = extname(fileURLToPath(import.meta.url));
  const names = readdirSync(FOLDER).filter(
    (name) => name.endsWith(extension) && !name.endsWith('.d.ts'),
  );
  const modules = await Promise.all(names.map((name) => import(join(FOLDER, name))));
  return [...new Set(modules.flatMap((module) => Object.values(module)).filter(isTable))];
}

/** What DREG_COLL_… may say for an operation. */
export const namesOf = ({ algorithms, lines }: Table<never, never>): string[] => [
  ...algorithms.map(({ name }) => name),
  ...(lines === undefined ? [] : [LINES]),
];

/** From now on, `OPERATION algorithm` of each one that runs in this process. */
export async function recordAlgorithms(): Promise<Set<string>> {
  const taken = new Set<string>();
  const record = <F extends (...args: never[]) => unknown>(what: string, run: F) =>
    ((...args) => {
      taken.add(what);
      return run(...args);
    }) as F;
  for (const { operation, algorithms, lines } of await algorithmTables()) {
    for (const one of algorithms)
      Object.assign(one, { run: record(`${operation} ${one.name}`, one.run) });
    if (lines !== undefined)
      Object.assign(lines, { make: record(`${operation} ${LINES}`, lines.make) });
  }
  return taken;
}
