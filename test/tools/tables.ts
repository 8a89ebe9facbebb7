/** Tables within pages that people write: made from what the sources say of error codes. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseDoc } from './declarations.ts';

/** Pages by path, with their tables made anew. */
export function pagesWithTables(root: string): Map<string, string> {
  const read = (path: string) => readFileSync(join(root, path), 'utf8');
  const page = 'docs/reference/errors.md';
  return new Map([
    [page, between(read(page), 'errors', errorTables(read('runtime/base/error.ts')))],
  ]);
}

/** A group of codes, or one code with its docstring. */
const CODE = /^ {2}\/\/ ---- (.*)$|(\/\*\*(?:(?!\*\/)[\s\S])*\*\/)\s*(ERR_\w+):\s*'([^']*)'/gm;

/** A table for each group of codes in runtime/base/error.ts. */
export function errorTables(source: string): string {
  const lines: string[] = [];
  for (const [, group, comment, code, what] of source.matchAll(CODE)) {
    if (group !== undefined) {
      const head = ['| code | what happened | why | what to do |', '| --- | --- | --- | --- |'];
      lines.push(...(lines.length > 0 ? [''] : []), `## ${group}`, '', ...head);
      continue;
    }
    const { tags } = parseDoc(comment);
    const [why, remedy] = ['why', 'remedy'].map((name) => {
      const found = tags.find((tag) => tag.name === name);
      if (found === undefined) throw new Error(`runtime/base/error.ts: ${code} has no @${name}`);
      return found.text;
    });
    lines.push(`| \`${code}\` | ${inCode(what)} | ${why} | ${remedy} |`);
  }
  return lines.join('\n');
}

/** With the names of the interface as code. */
const inCode = (text: string) => text.replace(/\bMPI\.\w+\(\)|\b[A-Z]+_[A-Z_]+\b/g, '`$&`');

/** A page with what stands between the marks of that name replaced. */
export function between(page: string, name: string, text: string): string {
  const parts = new RegExp(
    `^([\\s\\S]*<!-- ${name}: .* -->\n)[\\s\\S]*(\n<!-- /${name} -->[\\s\\S]*)$`,
  );
  const [, before, after] = parts.exec(page) ?? [];
  if (before === undefined) throw new Error(`the page has no place for its table: ${name}`);
  return `${before}\n${text}\n${after}`;
}
