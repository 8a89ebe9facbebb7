/** Parts of pages that people write: error codes and environment variables, from the sources. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseDoc } from './docstrings.ts';
import { between } from './markdown.ts';
import { nodesTable } from './nodes.ts';

const PACKAGES = 'docs/operating/packages.md';

/** Pages by path, with their tables made anew. */
export function pagesWithTables(root: string): Map<string, string> {
  const read = (path: string) => readFileSync(join(root, path), 'utf8');
  const sources = new Map(sourcesOf(root).map((path) => [path, read(path)]));
  const errors = between(
    read('docs/reference/errors.md'),
    'errors',
    errorSections(read('runtime/base/error.ts')),
  );
  let environment = read('docs/reference/environment.md');
  for (const [name, { head, of }] of Object.entries(GROUPS))
    environment = between(environment, name, environmentTable(sources, head, of));
  return new Map([
    ['docs/reference/errors.md', errors],
    ['docs/reference/environment.md', environment],
    [PACKAGES, between(read(PACKAGES), 'nodes', nodesTable())],
  ]);
}

function sourcesOf(root: string): string[] {
  return ['runtime', 'transports', 'native'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts') && !name.includes('node_modules'))
      .map((name) => `${folder}/${name}`),
  );
}

const SETS = 'runtime/launch/environment.ts';

/** Tables of the page about the environment: their columns, and the files whose variables they have. */
const GROUPS: Record<string, { head: string[]; of: (path: string) => boolean }> = {
  rank: {
    head: ['variable', 'values', 'what it does'],
    of: (path) => !path.startsWith('runtime/launch/'),
  },
  dregrun: {
    head: ['variable', 'values', 'what it does'],
    of: (path) => path.startsWith('runtime/launch/') && path !== SETS,
  },
  set: { head: ['variable', 'what it says'], of: (path) => path === SETS },
};

/** The variables that docstrings of some files name by `@environment NAME | …`, in order of their names. */
export function environmentTable(
  sources: ReadonlyMap<string, string>,
  head: readonly string[],
  of: (path: string) => boolean,
): string {
  const rows: string[] = [];
  for (const [path, text] of sources)
    if (of(path))
      for (const [comment] of text.matchAll(/\/\*\*(?:(?!\*\/)[\s\S])*@environment[\s\S]*?\*\//g))
        for (const tag of parseDoc(comment).tags) {
          if (tag.name !== 'environment') continue;
          const [name, ...cells] = tag.text.split(' | ');
          if (cells.length !== head.length - 1)
            throw new Error(`${path}: @environment ${name} needs: ${head.join(' | ')}`);
          rows.push(`| \`${name}\` | ${cells.join(' | ')} |`);
        }
  const rule = head.map(() => '---').join(' | ');
  return [`| ${head.join(' | ')} |`, `| ${rule} |`, ...rows.sort()].join('\n');
}

/** A group of codes, or one code with its docstring. */
const CODE = /^ {2}\/\/ ---- (.*)$|(\/\*\*(?:(?!\*\/)[\s\S])*\*\/)\s*(ERR_\w+):\s*'([^']*)'/gm;

/** A section for each code in runtime/base/error.ts, below the heading of its group. */
export function errorSections(source: string): string {
  const parts: string[] = [];
  for (const [, group, comment, code, what] of source.matchAll(CODE)) {
    if (group !== undefined) {
      parts.push(`## ${group}`);
      continue;
    }
    const { tags } = parseDoc(comment);
    const [why, remedy] = ['why', 'remedy'].map((name) => {
      const found = tags.find((tag) => tag.name === name);
      if (found === undefined) throw new Error(`runtime/base/error.ts: ${code} has no @${name}`);
      return asSentence(found.text);
    });
    parts.push(
      `### ${code}`,
      `${asSentence(inCode(what))}\n\n- **Why**: ${why}\n- **What to do**: ${remedy}`,
    );
  }
  return parts.join('\n\n');
}

const asSentence = (text: string) =>
  `${text[0].toUpperCase()}${text.slice(1)}${/[.?!]$/.test(text) ? '' : '.'}`;

/** With the names of the interface as code. */
const inCode = (text: string) => text.replace(/\bMPI\.\w+\(\)|\b[A-Z]+_[A-Z_]+\b/g, '`$&`');
