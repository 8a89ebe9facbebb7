/**
 * The examples of the reference: the code of test cases. A case is called by the names that it shows, as the
 * reference's headings have them: `'communicator.send, communicator.recv'`.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const JOBS = 'test/jobs/reference';
const MEMORY = 'test/unit/runtime/memory/reference.test.ts';

export interface Example {
  /** Headings of the reference; at the first one a page shows the code. */
  names: string[];
  /** The entry of the package that it shows: `.`, `./memory`. */
  entry: string;
  /** What the case needs of its file: imports, and what every example has. */
  head: string;
  /** The case, with what it alone needs of its file. */
  code: string;
}

/** All examples, file by file. */
export function readExamples(root: string): Example[] {
  const jobs = existsSync(join(root, JOBS)) ? readdirSync(join(root, JOBS)).sort() : [];
  const files = [...jobs.map((name) => `${JOBS}/${name}`), MEMORY];
  return files
    .filter((path) => existsSync(join(root, path)))
    .flatMap((path) => examplesIn(readFileSync(join(root, path), 'utf8'), entryOf(path)));
}

/** The example of a name: that of an entry's own, if there is one. */
export function exampleOf(
  examples: readonly Example[],
  entry: string,
  name: string,
): Example | undefined {
  const found = examples.filter(({ names }) => names.includes(name));
  return found.find((one) => one.entry === entry) ?? found[0];
}

/** Which entry's page an example is for. */
function entryOf(path: string): string {
  if (path === MEMORY) return './memory';
  return path.endsWith('/worker.ts') ? './worker' : '.';
}

/** A case as Biome writes it. */
const CASE = /^( +)(?:async )?(?:'([^'\n]+)'|(\w+))\(\) \{\n([\s\S]*?)^\1\},$/gm;
const COMMENT = String.raw`(?:/\*\*(?:(?!\*/)[\s\S])*\*/\n)?`;
const CALLED = String.raw`(?:async )?function (\w+)[\s\S]*?^\}$`;
const NAMED = String.raw`(?:const|let) (\w+|\{[^}\n]*\})(?:[^\n]*;$|[\s\S]*?^[)}\]].*;$)`;
/** A statement of a file, with its comment, that declares something. */
const DECLARATION = new RegExp(`^${COMMENT}(?:${CALLED}|${NAMED})`, 'gm');
/** Pages say once what these are. */
const USUAL = new Set(['world', 'self', 'rank', 'other', 'fd', 'folder']);

export function examplesIn(text: string, entry: string): Example[] {
  const start = text.search(/^(?:export default defineJob|const cases\b)/m);
  const before = text.slice(0, start);
  const declarations = Array.from(before.matchAll(DECLARATION), ([all, called, named]) => ({
    text: all,
    names: (called ?? named).match(/\w+/g) ?? [],
  }));
  return Array.from(text.slice(start).matchAll(CASE), ([, indent, quoted, bare, body]) => {
    const lines = body.trimEnd().split('\n');
    const own = lines.map((line) => line.slice(indent.length + 2)).join('\n');
    const used = declarationsFor(own, declarations);
    const isUsual = ({ names }: Declaration) => names.every((name) => USUAL.has(name));
    const head = [
      ...importsFor([...used.map((one) => one.text), own].join('\n'), before),
      ...used.filter(isUsual).map((one) => one.text),
    ];
    const needed = used.filter((one) => !isUsual(one)).map((one) => one.text);
    const code = needed.length === 0 ? own : `${needed.join('\n')}\n\n${own}`;
    return { names: (quoted ?? bare).split(', '), entry, head: head.join('\n'), code };
  });
}

interface Declaration {
  text: string;
  names: string[];
}

const uses = (text: string, name: string) => new RegExp(`(?<![.\\w])${name}\\b`).test(text);

/** Those of a file's declarations that a text needs, and that these need, in their order. */
function declarationsFor(text: string, all: readonly Declaration[]): Declaration[] {
  const found = new Set<Declaration>();
  const visit = (needs: string) => {
    for (const one of all) {
      if (found.has(one) || !one.names.some((name) => uses(needs, name))) continue;
      found.add(one);
      visit(one.text);
    }
  };
  visit(text);
  return all.filter((one) => found.has(one));
}

/** From where a program would import what the text uses. */
function importsFor(text: string, before: string): string[] {
  const clauses = before.matchAll(/^import (\w+|\{[^}]*\}) from '([^']+)';$/gm);
  return Array.from(clauses, ([, clause, from]) => {
    const module = from.replace(/^.*\/runtime\/(?:(memory|worker)\b.*|index\.ts)$/, (_all, name) =>
      name === undefined ? 'dreg-mpi' : `dreg-mpi/${name}`,
    );
    const isBare = !clause.startsWith('{');
    const words = isBare ? [clause] : clause.slice(1, -1).split(',');
    const needed = words
      .map((word) => word.trim())
      .filter((word) => word !== '' && uses(text, word.replace(/^type /, '')));
    if (module.startsWith('.') || needed.length === 0) return '';
    return `import ${isBare ? clause : `{ ${needed.join(', ')} }`} from '${module}';`;
  }).filter(Boolean);
}
